import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";

/** A part that can be served, as its receipt names it. */
export interface ServablePart {
  readonly sizeBytes: number;
  readonly sha256: Hex;
  /** When its first frame shows, and for how long it lasts; by them a frame is found that went out by itself. */
  readonly startTicks: number;
  readonly durationTicks: number;
}

/** Frames of a segment that is not closed yet: a rung of 120 frames a second for four seconds, twice over. */
const MAX_EARLY_FRAMES = 1_024;
/** Segments that frames may be ahead of: the open one, and the next where rungs are not level. */
const MAX_EARLY_SEGMENTS = 64;

interface SegmentCount {
  readonly rung: number;
  readonly parts: ServablePart[];
  readonly served: number[];
}

/**
 * How many bytes of each part went out to viewers: what a delivery receipt is made of.
 *
 * Parts of 100, 100 and 50 bytes; a viewer takes bytes 150 to 220 (the end not included): 50 of part 1, 20 of part 2.
 * Who gets frames and no files gets them before their part is whole: their bytes wait for it.
 */
export class ServedBytes {
  readonly #sequences = new Map<number, Map<number, SegmentCount>>();
  /** Bytes by when a frame shows, of segments that are still to come; by rung and sequence. */
  readonly #early = new Map<string, Map<number, number>>();

  /** The next part of a segment can be served from now on. */
  add(rung: number, sequence: number, part: ServablePart): void {
    const rungs = this.#sequences.get(sequence) ?? new Map<number, SegmentCount>();
    this.#sequences.set(sequence, rungs);
    const segment = rungs.get(rung) ?? { rung, parts: [], served: [] };
    rungs.set(rung, segment);
    segment.parts.push(part);
    segment.served.push(0);
    const early = this.#early.get(`${rung} ${sequence}`);
    for (const [pts, bytes] of early ?? []) if (tryCount(segment, pts, bytes)) early!.delete(pts);
  }

  /** Bytes `from` to `to` (not included) of a segment went out. What is not open any more is not counted. */
  count(rung: number, sequence: number, from: number, to: number): void {
    const segment = this.#sequences.get(sequence)?.get(rung);
    if (segment === undefined) return;
    let start = 0;
    for (const [index, { sizeBytes }] of segment.parts.entries()) {
      const bytes = Math.min(to, start + sizeBytes) - Math.max(from, start);
      if (bytes > 0) segment.served[index]! += bytes;
      start += sizeBytes;
    }
  }

  /** So many bytes of the frame that shows at `pts` went out. */
  countFrame(rung: number, sequence: number, pts: number, bytes: number): void {
    const segment = this.#sequences.get(sequence)?.get(rung);
    if (segment === undefined || !tryCount(segment, pts, bytes)) this.#keepEarly(`${rung} ${sequence}`, pts, bytes);
  }

  /** Sequences that are open, in order. */
  sequences(): number[] {
    return [...this.#sequences.keys()].sort((left, right) => left - right);
  }

  /** Ends the count of a sequence: a leaf for each part that was served, by rung and part. */
  close(sequence: number): PartLeaf[] {
    const rungs = [...(this.#sequences.get(sequence)?.values() ?? [])].sort((left, right) => left.rung - right.rung);
    this.#sequences.delete(sequence);
    for (const { rung } of rungs) this.#early.delete(`${rung} ${sequence}`);
    return rungs.flatMap(({ rung, parts, served }) =>
      parts.flatMap(({ sha256 }, part) => {
        const bytes = served[part] ?? 0;
        return bytes === 0 ? [] : [{ rung, part, frames: 0, pixels: 0n, sizeBytes: BigInt(bytes), sha256 }];
      }),
    );
  }

  #keepEarly(place: string, pts: number, bytes: number): void {
    const frames = this.#early.get(place) ?? new Map<number, number>();
    if (!frames.has(pts) && frames.size >= MAX_EARLY_FRAMES) return;
    frames.set(pts, (frames.get(pts) ?? 0) + bytes);
    this.#early.set(place, frames);
    // A segment that never closes is none that anybody is paid for.
    if (this.#early.size > MAX_EARLY_SEGMENTS) this.#early.delete(this.#early.keys().next().value!);
  }
}

/** False for a frame of a part that is not whole yet. One before the first part is nobody's. */
function tryCount({ parts, served }: SegmentCount, pts: number, bytes: number): boolean {
  const index = parts.findLastIndex(({ startTicks }) => startTicks <= pts);
  if (index < 0) return true;
  const { startTicks, durationTicks } = parts[index]!;
  if (index === parts.length - 1 && pts >= startTicks + durationTicks) return false;
  served[index]! += bytes;
  return true;
}
