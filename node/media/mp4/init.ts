import { concatBytes, text, uint32 } from "@leat/sdk/base/bytes.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { box, fullBox, uint8, uint16, zeros } from "./box.ts";
import { sampleEntry } from "./sample-entry.ts";

/** Every rung is a file of its own with one track. Where tracks stand together they count on from here. */
export const TRACK_ID = 1;

const identityMatrix = uint32(0x00010000, 0, 0, 0, 0x00010000, 0, 0, 0, 0x40000000);

/**
 * The init segment of a track, or of several in this order: `ftyp` and `moov`, no samples. The same configuration gives
 * the same bytes.
 */
export function initSegment(config: TrackConfig, ...more: readonly TrackConfig[]): Uint8Array<ArrayBuffer> {
  const configs = [config, ...more];
  const tracks = configs.map((one, index) => track(one, TRACK_ID + index));
  return concatBytes([
    box("ftyp", text("iso6"), uint32(0), text("iso6"), text("cmfc"), text("mp41")),
    box("moov", movieHeader(config, configs.length), ...tracks, movieExtends(configs.length)),
  ]);
}

/** `durationTicks`: of the clock of `config`. */
export function movieHeader(config: TrackConfig, tracks: number, durationTicks = 0): Uint8Array {
  return fullBox(
    "mvhd",
    0,
    0,
    uint32(0, 0, config.timescale, durationTicks),
    uint32(0x00010000), // rate 1.0
    uint16(0x0100), // volume 1.0
    zeros(10),
    identityMatrix,
    zeros(24),
    uint32(TRACK_ID + tracks),
  );
}

/** What a track has that stands in no fragments. */
export interface TrackMedia {
  /** With its edits, in ticks of the movie. */
  readonly shownTicks: number;
  /** In its own. */
  readonly durationTicks: number;
  readonly edits: Uint8Array;
  /** Sample tables, behind the description. */
  readonly tables: readonly Uint8Array[];
  /** Parameter sets stand with its pictures as well. */
  readonly inBand: boolean;
}

const inFragments: TrackMedia = {
  shownTicks: 0,
  durationTicks: 0,
  edits: zeros(0),
  tables: [
    fullBox("stts", 0, 0, uint32(0)),
    fullBox("stsc", 0, 0, uint32(0)),
    fullBox("stsz", 0, 0, uint32(0, 0)),
    fullBox("stco", 0, 0, uint32(0)),
  ],
  inBand: false,
};

export function track(config: TrackConfig, id: number, of: TrackMedia = inFragments): Uint8Array {
  const isVideo = config.kind === "video";
  const header = fullBox(
    "tkhd",
    0,
    3, // enabled, in movie
    uint32(0, 0, id, 0, of.shownTicks),
    zeros(8),
    uint16(0, 0, isVideo ? 0 : 0x0100, 0),
    identityMatrix,
    uint32(isVideo ? config.width * 65_536 : 0, isVideo ? config.height * 65_536 : 0),
  );
  const media = box(
    "mdia",
    fullBox("mdhd", 0, 0, uint32(0, 0, config.timescale, of.durationTicks), uint16(0x55c4, 0)), // language "und"
    fullBox("hdlr", 0, 0, uint32(0), text(isVideo ? "vide" : "soun"), zeros(12), text("leat"), uint8(0)),
    box(
      "minf",
      isVideo ? fullBox("vmhd", 0, 1, zeros(8)) : fullBox("smhd", 0, 0, zeros(4)),
      box("dinf", fullBox("dref", 0, 0, uint32(1), fullBox("url ", 0, 1))),
      box("stbl", fullBox("stsd", 0, 0, uint32(1), sampleEntry(config, of.inBand)), ...of.tables),
    ),
  );
  return box("trak", header, of.edits, media);
}

function movieExtends(tracks: number): Uint8Array {
  const ids = Array.from({ length: tracks }, (_, index) => TRACK_ID + index);
  return box("mvex", ...ids.map((id) => fullBox("trex", 0, 0, uint32(id, 1, 0, 0, 0))));
}
