import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { PART_TARGET_MS, SHORTEST_PART_RATIO } from "./packager.ts";

/** Pictures a second of cameras and encoders: what a clock of whole milliseconds tells is taken for the nearest. */
const USUAL_RATES = [1, 2, 5, 7.5, 10, 12, 12.5, 15, 20, 24, 25, 30, 48, 50, 60, 72, 90, 100, 120];
/** What rounding to milliseconds moves the end of a frame at most, and its begin. */
const ROUNDED_MS = 1.01;
/** Between what parts are at least and all that they may be, so much is left for a clock that jitters. */
const JITTER_MS = 1;
/** What may stand between two packets of sound, and counts to the part of the first: an encoder's delay is 7 ms. */
const PAUSE_MS = 8;
/** Packets of Opus and AAC at 48 kHz: their parts are held to the same target. */
const PACKETS_MS = [20, 1024 / 48];

/**
 * The PART-TARGET of a stream whose frames are so long, milliseconds. Parts are as many whole frames as fit, and must be
 * at least 85 % of it: at 24 pictures a second five of them are 208 ms, which is too short for a quarter of a second.
 * Then it is a little more than so many frames (one at least), where packets of sound that a pause follows fit too.
 */
export function partTargetOf(frameTicks: number): number {
  const toldMs = (frameTicks * 1000) / VIDEO_TIMESCALE;
  if (!(toldMs > 0)) return PART_TARGET_MS;
  const usualMs = USUAL_RATES.map((rate) => 1000 / rate);
  const nearestMs = usualMs.reduce((best, ms) => (Math.abs(ms - toldMs) < Math.abs(best - toldMs) ? ms : best));
  const frameMs = Math.abs(nearestMs - toldMs) < ROUNDED_MS ? nearestMs : toldMs;
  const frames = Math.max(1, Math.floor((PART_TARGET_MS - JITTER_MS) / frameMs));
  const partMs = frames * frameMs;
  const longest = Math.floor((partMs - JITTER_MS) / SHORTEST_PART_RATIO);
  if (partMs < PART_TARGET_MS && longest >= PART_TARGET_MS) return PART_TARGET_MS;
  const end = Math.min(longest, Math.floor(partMs + frameMs - JITTER_MS));
  let best = Math.ceil(partMs + JITTER_MS);
  for (let target = best; target <= end && leftOf(best) < PAUSE_MS; target += 1) {
    if (leftOf(target) > leftOf(best)) best = target;
  }
  return best;
}

/** What the fullest part of sound leaves of a target. */
function leftOf(targetMs: number): number {
  return Math.min(...PACKETS_MS.map((packetMs) => targetMs % packetMs));
}
