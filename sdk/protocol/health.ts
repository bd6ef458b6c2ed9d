import { type Static, Type } from "typebox";
import { closedObject, countSchema } from "./schemas.ts";

/** How what a publisher sends arrives at its node: media of the last ten seconds; `silentMs` and `driftMs` are of now. */
export const sourceHealthSchema = closedObject({
  /** Bits a second of media. */
  videoBitrate: countSchema,
  audioBitrate: countSchema,
  /** Pictures a second of media. */
  frameRate: Type.Number({ minimum: 0, maximum: 10_000 }),
  /** Longest time from one key frame to the next, also to one that has not come yet; null before the first. */
  keyIntervalMs: Type.Union([countSchema, Type.Null()]),
  /** Seconds of media a second: 1 is real time. Null where too little of one clock is known, or segments are long. */
  pace: Type.Union([Type.Number({ minimum: 0, maximum: 10_000 }), Type.Null()]),
  /** How much later than by the publisher's own clock media comes now than when its connection began; negative: sooner. */
  driftMs: Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
  /** Pictures that did not come, by the times of those that did. */
  missingPictures: countSchema,
  /** Since the media that came is over. */
  silentMs: countSchema,
  /** How far the pictures are behind the sound, by the times of both; null where none of this clock came. */
  videoBehindMs: Type.Union([countSchema, Type.Null()]),
  /** The same of the sound behind the pictures. */
  audioBehindMs: Type.Union([countSchema, Type.Null()]),
  /**
   * What comes and reaches no viewer: `pictures` or `sound` where the stream began without, and what it becomes was
   * settled then; `source`: pictures that are no rung of their own as they were promised to be, while others are made.
   */
  leftOut: Type.Union([Type.Literal("pictures"), Type.Literal("sound"), Type.Literal("source"), Type.Null()]),
});
export type SourceHealth = Static<typeof sourceHealthSchema>;

export const healthFaults = [
  "silent",
  "slow",
  "pictures-stopped",
  "sound-stopped",
  "pictures-missing",
  "keys-rare",
  "pictures-left-out",
  "sound-left-out",
  "source-left-out",
] as const;
export type HealthFault = (typeof healthFaults)[number];

/** What came is looked back at for so long. */
export const healthWindowMs = 10_000;

const SILENT_MS = 3_000;
const STOPPED_MS = 3_000;
/** A publisher that sends less than this of real time falls behind its viewers. */
const LEAST_PACE = 0.95;
/** Of all pictures of ten seconds. */
const MOST_MISSING = 0.05;
/** As long as a segment may be: whoever tunes in waits for a key frame. */
const MOST_KEY_INTERVAL_MS = 4_000;

/**
 * What is wrong with a source; empty: nothing. `silent`: nothing came for three seconds. `slow`: less than 95 % of real
 * time arrives. `pictures-stopped`, `sound-stopped`: one of the two came and is three seconds behind the other.
 * `pictures-missing`: more than a twentieth did not come. `keys-rare`: more than four seconds between key frames.
 * `pictures-left-out`, `sound-left-out`: one of the two reaches nobody, since the stream began without it.
 * `source-left-out`: nobody gets the pictures as they come in. A source that is silent is told as nothing else.
 */
export function findHealthFaults(health: SourceHealth): HealthFault[] {
  const { silentMs, pace, videoBehindMs, audioBehindMs, missingPictures, frameRate, keyIntervalMs, leftOut } = health;
  if (silentMs >= SILENT_MS) return ["silent"];
  const faults: HealthFault[] = [];
  if (pace !== null && pace < LEAST_PACE) faults.push("slow");
  if (videoBehindMs !== null && videoBehindMs >= STOPPED_MS) faults.push("pictures-stopped");
  if (audioBehindMs !== null && audioBehindMs >= STOPPED_MS) faults.push("sound-stopped");
  if (missingPictures > MOST_MISSING * (missingPictures + (frameRate * healthWindowMs) / 1_000))
    faults.push("pictures-missing");
  if (keyIntervalMs !== null && keyIntervalMs > MOST_KEY_INTERVAL_MS) faults.push("keys-rare");
  if (leftOut !== null) faults.push(`${leftOut}-left-out`);
  return faults;
}
