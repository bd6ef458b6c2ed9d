import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";

/** A part that can be served, as its receipt names it. */
export interface ServablePart {
  readonly sizeBytes: number;
  readonly sha256: Hex;
}

interface SegmentCount {
  readonly rung: number;
  readonly parts: readonly ServablePart[];
  readonly served: number[];
}

/**
 * How many bytes of each part went out to viewers: what a delivery receipt is made of.
 *
 * Parts of 100, 100 and 50 bytes; a viewer takes bytes 150 to 220 (the end not included): 50 of part 1, 20 of part 2.
 */
export class ServedBytes {
  readonly #sequences = new Map<number, Map<number, SegmentCount>>();

  open(rung: number, sequence: number, parts: readonly ServablePart[]): void {
    const rungs = this.#sequences.get(sequence) ?? new Map<number, SegmentCount>();
    this.#sequences.set(sequence, rungs);
    rungs.set(rung, { rung, parts, served: parts.map(() => 0) });
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

  /** Sequences that are open, in order. */
  sequences(): number[] {
    return [...this.#sequences.keys()].sort((left, right) => left - right);
  }

  /** Ends the count of a sequence: a leaf for each part that was served, by rung and part. */
  close(sequence: number): PartLeaf[] {
    const rungs = [...(this.#sequences.get(sequence)?.values() ?? [])].sort((left, right) => left.rung - right.rung);
    this.#sequences.delete(sequence);
    return rungs.flatMap(({ rung, parts, served }) =>
      parts.flatMap(({ sha256 }, part) => {
        const bytes = served[part] ?? 0;
        return bytes === 0 ? [] : [{ rung, part, frames: 0, pixels: 0n, sizeBytes: BigInt(bytes), sha256 }];
      }),
    );
  }
}
