import { hasIdr, parseAvcConfiguration, writeAvcRecord } from "@leat/sdk/protocol/bitstream/h264.ts";
import { hasIrap, hevcNalType, parseHevcConfiguration, writeHevcRecord } from "@leat/sdk/protocol/bitstream/hevc.ts";
import { VIDEO_TIMESCALE, type VideoConfig } from "@leat/sdk/protocol/frame.ts";

/** What is told apart in an access unit. `leading`: shown before its key frame, made from what came before that. */
export type NalRole = "delimiter" | "filler" | "slice" | "leading" | "other" | { readonly set: number };

export interface NalCodec {
  /** Kinds of parameter sets. */
  readonly sets: number;
  role(nal: Uint8Array): NalRole;
  hasKey(nals: readonly Uint8Array[]): boolean;
  /** The configuration record, in the order of the kinds. */
  record(sets: readonly (readonly Uint8Array[])[]): Uint8Array;
  describe(record: Uint8Array): VideoConfig;
}

const shape = { kind: "video", timescale: VIDEO_TIMESCALE } as const;
const h264Roles: Readonly<Record<number, NalRole>> = { 7: { set: 0 }, 8: { set: 1 }, 9: "delimiter", 12: "filler" };
const hevcRoles: Readonly<Record<number, NalRole>> = {
  // Skipped where decoding begins at the key frame behind which they come.
  8: "leading",
  9: "leading",
  32: { set: 0 },
  33: { set: 1 },
  34: { set: 2 },
  35: "delimiter",
  38: "filler",
};

export const nalCodecs: Readonly<Record<"h264" | "hevc", NalCodec>> = {
  h264: {
    sets: 2,
    role(nal) {
      const type = nal[0]! & 0x1f;
      return h264Roles[type] ?? (type >= 1 && type <= 5 ? "slice" : "other");
    },
    hasKey: hasIdr,
    record: ([sps, pps]) => writeAvcRecord(sps!, pps!),
    describe(record) {
      const { facts, description, codecString } = parseAvcConfiguration(record);
      return { ...shape, codec: "h264", width: facts.width, height: facts.height, description, codecString };
    },
  },
  hevc: {
    sets: 3,
    role(nal) {
      const type = hevcNalType(nal);
      return hevcRoles[type] ?? (type < 32 ? "slice" : "other");
    },
    hasKey: hasIrap,
    record: ([vps, sps, pps]) => writeHevcRecord(vps!, sps!, pps!),
    describe(record) {
      const { facts, description, codecString } = parseHevcConfiguration(record);
      return { ...shape, codec: "hevc", width: facts.width, height: facts.height, description, codecString };
    },
  },
};
