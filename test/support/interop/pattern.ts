import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { writePattern } from "@leat/transcoder/tools/media.ts";

/**
 * What every publisher of the matrix shows: each picture carries its number, and a flash and a beep come together. It is
 * encoded before it is published, since each program plays it from a file: the number is the media's clock, and there is
 * no wall clock in it. How old pictures are when they are shown is measured by `scripts/benchmarks/latency.ts`.
 */
export const shape = { width: 320, height: 180, fps: 15, flashEveryS: 2, flashS: 0.1 } as const;
/** Longer than any cell lasts on a slow machine. */
const LONGEST_S = 150;

/** Numbers of what a publisher sends once it is back begin here, with a flash: who sees one has seen it come back. */
export const SECOND = 90_000;

/** A publisher comes, drops, and comes back. */
export type Coming = "first" | "second";

/** The same pattern in two files. */
export interface PatternFile {
  /** As encoders make it by themselves: pictures refer to later ones. With AAC. */
  readonly flv: string;
  /** As calls have it: no picture refers to a later one. With Opus. */
  readonly mp4: string;
}

export type PatternFiles = Readonly<Record<Coming, PatternFile>>;

const run = promisify(execFile);

export async function writePatternFiles(directory: string): Promise<PatternFiles> {
  const [first, second] = await Promise.all([
    writePatternFile(join(directory, "first"), 0),
    writePatternFile(join(directory, "second"), SECOND),
  ]);
  return { first, second };
}

async function writePatternFile(path: string, firstNumber: number): Promise<PatternFile> {
  const { width, height, fps, flashEveryS } = shape;
  const pattern = { width, height, fps, flashEveryS, firstNumber, durationS: LONGEST_S, videoBitrate: 600_000 };
  const [flv, plain, mp4] = [`${path}.flv`, `${path}-plain.flv`, `${path}.mp4`];
  await writePattern(flv, pattern);
  await writePattern(plain, { ...pattern, bFrames: 0 });
  const copied = ["-c:v", "copy", "-c:a", "libopus", "-b:a", "96k", "-movflags", "faststart", mp4];
  await run("ffmpeg", ["-v", "error", "-nostdin", "-y", "-i", plain, ...copied]);
  return { flv, mp4 };
}

/** How far a picture is from the newest flash that began at or before it, or the next one where that is nearer, ms. */
export function sinceFlashMs(number: number): number {
  const { fps, flashEveryS } = shape;
  const period = fps * flashEveryS;
  const since = ((number % period) + period) % period;
  return ((since > period / 2 ? since - period : since) * 1_000) / fps;
}
