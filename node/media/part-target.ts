import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { PART_TARGET_MS } from "./packager.ts";

/** Pictures a second of cameras and encoders: what a clock of whole milliseconds tells is taken for the nearest. */
const USUAL_RATES = [1, 2, 5, 7.5, 10, 12, 12.5, 15, 20, 24, 25, 30, 48, 50, 60, 72, 90, 100, 120];
/** What rounding to milliseconds moves the end of a frame at most, and its begin. */
const ROUNDED_MS = 1.01;
/** Sums of fractions are a little more or less than they should be. */
const TINY_MS = 1e-6;
/** The target is so much longer than its frames: less than what a part may be shorter, more than a clock's jitter. */
const SPARE = 0.1;

/**
 * The PART-TARGET of a stream whose frames are so long, milliseconds. Parts must be at least 85 % of it: at 24 pictures a
 * second five of them are 208 ms, which is too short for a quarter of a second. So many whole frames decide as fit into
 * that with some to spare; where one alone is longer, it is the target.
 */
export function partTargetOf(frameTicks: number): number {
  const toldMs = (frameTicks * 1000) / VIDEO_TIMESCALE;
  if (!(toldMs > 0)) return PART_TARGET_MS;
  const usualMs = USUAL_RATES.map((rate) => 1000 / rate);
  const nearestMs = usualMs.reduce((best, ms) => (Math.abs(ms - toldMs) < Math.abs(best - toldMs) ? ms : best));
  const frameMs = Math.abs(nearestMs - toldMs) < ROUNDED_MS ? nearestMs : toldMs;
  // Half a frame more would be a whole one with the next.
  const targetOf = (frames: number) =>
    Math.ceil(frames * frameMs + Math.min(frameMs / 2, frames * frameMs * SPARE) - TINY_MS);
  let frames = Math.max(1, Math.floor(PART_TARGET_MS / frameMs));
  while (frames > 1 && targetOf(frames) > PART_TARGET_MS) frames -= 1;
  return targetOf(frames);
}
