import { join } from "node:path";
import { writePattern } from "@leat/transcoder/tools/media.ts";

/** What every publisher of the matrix shows: each picture carries its number, and a flash and a beep come together. */
export const shape = { width: 320, height: 180, fps: 15, flashEveryS: 2, flashS: 0.1 } as const;
/** Longer than any cell lasts on a slow machine. */
const LONGEST_S = 150;

/** Numbers of what a publisher sends once it is back begin here, with a flash: who sees one has seen it come back. */
export const SECOND = 90_000;

/** A publisher comes, drops, and comes back. */
export type Coming = "first" | "second";

export type PatternFiles = Readonly<Record<Coming, string>>;

export async function writePatternFiles(directory: string): Promise<PatternFiles> {
  const { width, height, fps, flashEveryS } = shape;
  const pattern = { width, height, fps, flashEveryS, durationS: LONGEST_S, videoBitrate: 600_000 };
  const files = { first: join(directory, "first.flv"), second: join(directory, "second.flv") };
  await Promise.all([
    writePattern(files.first, pattern),
    writePattern(files.second, { ...pattern, firstNumber: SECOND }),
  ]);
  return files;
}

/** How far a picture is from the newest flash that began at or before it, or the next one where that is nearer, ms. */
export function sinceFlashMs(number: number): number {
  const { fps, flashEveryS } = shape;
  const period = fps * flashEveryS;
  const since = ((number % period) + period) % period;
  return ((since > period / 2 ? since - period : since) * 1_000) / fps;
}
