import type { VideoCodec } from "./frame.ts";

/** Output pixels a second that a node's encoder of a codec made, measured. */
export interface CodecSpeed {
  readonly codec: VideoCodec;
  readonly pixelsPerSecond: number;
}

/**
 * What a job counts of a node's capacity, which is in pixels a second of H.264, or of its fastest codec where it has none:
 * encoders of VP9 and AV1 take several times as long for the same picture, and only where it runs is it known how much.
 *
 * Example: H.264 at 102,775,288 pixels a second and AV1 at 37,638,137. 9,979,200 pixels of AV1 count as 27,249,361; of
 * H.264 as what they are.
 */
export function encodingLoad(speeds: readonly CodecSpeed[], codec: VideoCodec, pixelsPerSecond: number): number {
  const own = speedOf(speeds, codec);
  const reference = referenceOf(speeds)?.pixelsPerSecond;
  return own === undefined || reference === undefined
    ? pixelsPerSecond
    : Math.ceil(pixelsPerSecond * (reference / own));
}

/** The encoder in whose pixels capacity is: that of H.264, or the fastest where there is none. */
export function referenceOf<T extends CodecSpeed>(speeds: readonly T[]): T | undefined {
  const measured = speeds.filter(({ pixelsPerSecond }) => pixelsPerSecond > 0);
  const fastest = measured.toSorted((left, right) => right.pixelsPerSecond - left.pixelsPerSecond);
  return measured.find(({ codec }) => codec === "h264") ?? fastest[0];
}

/** Undefined where it was not measured. */
export function speedOf(speeds: readonly CodecSpeed[], codec: VideoCodec): number | undefined {
  return speeds.find((speed) => speed.codec === codec && speed.pixelsPerSecond > 0)?.pixelsPerSecond;
}
