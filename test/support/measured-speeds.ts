import type { CodecSpeed } from "@leat/sdk/protocol/encoding-load.ts";

/** Of a real offer: `leat probe` on an Intel Xeon, x86-64, in software, each on one core (the second of three runs). */
export const measuredSpeeds: readonly CodecSpeed[] = [
  { codec: "h264", pixelsPerSecond: 102_775_288 },
  { codec: "hevc", pixelsPerSecond: 45_894_902 },
  { codec: "vp9", pixelsPerSecond: 72_563_296 },
  { codec: "av1", pixelsPerSecond: 37_638_137 },
];

/** 640x360 and 426x240 at 30 pictures a second. */
export const ladderPixels = (640 * 360 + 426 * 240) * 30;
