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

function movieHeader(config: TrackConfig, tracks: number): Uint8Array {
  return fullBox(
    "mvhd",
    0,
    0,
    uint32(0, 0, config.timescale, 0),
    uint32(0x00010000), // rate 1.0
    uint16(0x0100), // volume 1.0
    zeros(10),
    identityMatrix,
    zeros(24),
    uint32(TRACK_ID + tracks),
  );
}

function track(config: TrackConfig, id: number): Uint8Array {
  const isVideo = config.kind === "video";
  const header = fullBox(
    "tkhd",
    0,
    3, // enabled, in movie
    uint32(0, 0, id, 0, 0),
    zeros(8),
    uint16(0, 0, isVideo ? 0 : 0x0100, 0),
    identityMatrix,
    uint32(isVideo ? config.width * 65_536 : 0, isVideo ? config.height * 65_536 : 0),
  );
  const media = box(
    "mdia",
    fullBox("mdhd", 0, 0, uint32(0, 0, config.timescale, 0), uint16(0x55c4, 0)), // language "und"
    fullBox("hdlr", 0, 0, uint32(0), text(isVideo ? "vide" : "soun"), zeros(12), text("leat"), uint8(0)),
    box(
      "minf",
      isVideo ? fullBox("vmhd", 0, 1, zeros(8)) : fullBox("smhd", 0, 0, zeros(4)),
      box("dinf", fullBox("dref", 0, 0, uint32(1), fullBox("url ", 0, 1))),
      box(
        "stbl",
        fullBox("stsd", 0, 0, uint32(1), sampleEntry(config)),
        fullBox("stts", 0, 0, uint32(0)),
        fullBox("stsc", 0, 0, uint32(0)),
        fullBox("stsz", 0, 0, uint32(0, 0)),
        fullBox("stco", 0, 0, uint32(0)),
      ),
    ),
  );
  return box("trak", header, media);
}

function movieExtends(tracks: number): Uint8Array {
  const ids = Array.from({ length: tracks }, (_, index) => TRACK_ID + index);
  return box("mvex", ...ids.map((id) => fullBox("trex", 0, 0, uint32(id, 1, 0, 0, 0))));
}
