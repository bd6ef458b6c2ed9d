import { concatBytes, text } from "@leat/sdk/base/bytes.ts";
import { parseAudioSpecificConfig, writeAdtsHead } from "@leat/sdk/protocol/bitstream/aac.ts";
import { parseAvcConfiguration } from "@leat/sdk/protocol/bitstream/h264.ts";
import { parseHevcConfiguration } from "@leat/sdk/protocol/bitstream/hevc.ts";
import { splitNals } from "@leat/sdk/protocol/bitstream/nal.ts";
import type { AudioConfig, TrackConfig, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { MpegTsError } from "./errors.ts";
import { nalCodecs } from "./nal-codecs.ts";
import { opusLayouts } from "./opus-reader.ts";

/** How one codec stands in a transport stream. */
export interface TrackWriter {
  readonly type: number;
  /** Whole, each with tag and length. */
  readonly descriptors: Uint8Array;
  /** What begins its PES packets. */
  readonly streamId: number;
  /** A frame as PES packets carry it. */
  payloadOf(frame: { readonly key: boolean; readonly data: Uint8Array }): Uint8Array;
}

const types = { h264: 0x1b, hevc: 0x24, aac: 0x0f, private: 0x06 } as const;
const streamIds = { video: 0xe0, audio: 0xc0, private: 0xbd } as const;
const startCode = Uint8Array.of(0, 0, 0, 1);
/** Access unit delimiters that promise nothing of the pictures. */
const delimiters = { h264: Uint8Array.of(0x09, 0xf0), hevc: Uint8Array.of(0x46, 0x01, 0x50) } as const;
const none = new Uint8Array(0);

/** Whether a transport stream can carry it as players know it: VP9 and AV1 have no place there. */
export function isTsCodec({ codec }: { readonly codec: TrackConfig["codec"] }): boolean {
  return codec === "h264" || codec === "hevc" || codec === "aac" || codec === "opus";
}

/** @throws MPEGTS_CODEC_UNSUPPORTED, BitstreamError for a configuration that cannot be read */
export function createTrackWriter(config: TrackConfig): TrackWriter {
  switch (config.codec) {
    case "h264": {
      const { sps, pps } = parseAvcConfiguration(config.description);
      return writeNals("h264", [...sps, ...pps]);
    }
    case "hevc":
      return writeNals("hevc", parseHevcConfiguration(config.description).sets);
    case "aac":
      return writeAac(config);
    case "opus":
      return writeOpus(config);
    default:
      throw new MpegTsError({ code: "MPEGTS_CODEC_UNSUPPORTED", kind: config.kind, found: config.codec });
  }
}

/** A byte stream: a delimiter before each picture, parameter sets before those at which decoding can begin. */
function writeNals(codec: "h264" | ("hevc" & VideoConfig["codec"]), sets: readonly Uint8Array[]): TrackWriter {
  const delimiter = delimiters[codec];
  const { role } = nalCodecs[codec];
  return {
    type: types[codec],
    descriptors: none,
    streamId: streamIds.video,
    payloadOf({ key, data }) {
      const nals = splitNals(data).filter((nal) => role(nal) !== "delimiter");
      const unit = [delimiter, ...(key ? sets : []), ...nals];
      return concatBytes(unit.flatMap((nal) => [startCode, nal]));
    },
  };
}

function writeAac({ description }: AudioConfig): TrackWriter {
  const facts = parseAudioSpecificConfig(description);
  if (writeAdtsHead(facts, 0) === undefined) {
    throw new MpegTsError({ code: "MPEGTS_CODEC_UNSUPPORTED", kind: "audio", found: `aac at ${facts.sampleRate} Hz` });
  }
  return {
    type: types.aac,
    descriptors: none,
    streamId: streamIds.audio,
    payloadOf({ data }) {
      const head = writeAdtsHead(facts, data.length);
      // Too large for any AAC frame: it is none.
      return head === undefined ? none : concatBytes([head, data]);
    },
  };
}

/** As the ffmpeg program maps it: packets each behind a head of 11 fixed bits and their size. */
function writeOpus({ channels, description }: AudioConfig): TrackWriter {
  const mapping = description.subarray(11);
  const usual = opusLayouts[channels];
  // The program's table names a layout by its number of channels alone.
  if (usual === undefined ? channels > 2 : !usual.every((place, index) => mapping[index] === place)) {
    throw new MpegTsError({ code: "MPEGTS_CODEC_UNSUPPORTED", kind: "audio", found: "opus in an unusual layout" });
  }
  return {
    type: types.private,
    descriptors: concatBytes([Uint8Array.of(0x05, 4), text("Opus"), Uint8Array.of(0x7f, 2, 0x80, channels)]),
    streamId: streamIds.private,
    payloadOf({ data }) {
      if (data.length === 0) return none;
      const full = Math.floor(data.length / 0xff);
      const head = Uint8Array.of(0x7f, 0xe0, ...Array<number>(full).fill(0xff), data.length % 0xff);
      return concatBytes([head, data]);
    },
  };
}
