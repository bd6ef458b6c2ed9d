import type { Boundary, Frame, SourceVideoConfig, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import { hashSegment, type PackSegment, partLeaves } from "../jobs/packed-segment.ts";
import type { Work } from "../jobs/receipt-book.ts";

interface RungWork {
  readonly rung: number;
  config: VideoConfig | undefined;
  readonly frames: Frame[];
  ended: boolean;
}

/** What a transcoder saw and made of one segment: from it comes the receipt. */
export class SegmentWork {
  readonly boundary: Boundary;
  readonly #source: Frame[] = [];
  readonly #rungs: readonly RungWork[];
  readonly #firstPart: number;
  #sourceConfig: SourceVideoConfig | undefined;

  /** `firstPart`: the number of its first part, where what stands before the boundary is published already. */
  constructor(boundary: Boundary, rungs: readonly number[], firstPart = 0) {
    this.boundary = boundary;
    this.#firstPart = firstPart;
    this.#rungs = rungs.map((rung) => ({ rung, config: undefined, frames: [], ended: false }));
  }

  addSource(frame: Frame, config: SourceVideoConfig): void {
    // Of a segment that another began it only feeds the decoder.
    if (frame.pts < this.boundary.pts) return;
    this.#sourceConfig ??= config;
    this.#source.push(frame);
  }

  addOutput(rungIndex: number, frame: Frame, config: VideoConfig): void {
    const rung = this.#rungs[rungIndex]!;
    rung.config ??= config;
    rung.frames.push(frame);
  }

  /** True when that was the last rung of the segment. */
  endRung(rungIndex: number): boolean {
    this.#rungs[rungIndex]!.ended = true;
    return this.#rungs.every((rung) => rung.ended);
  }

  /** Packs all rungs. Undefined when the segment has no source frame: there was no work. */
  finish(pack: PackSegment, partTargetMs: number): Work | undefined {
    const config = this.#sourceConfig;
    if (config === undefined) return undefined;
    const { sequence, firstFrame } = this.boundary;
    const source = pack({ rung: 0, sequence, config, frames: this.#source, partTargetMs });
    const leaves: PartLeaf[] = [];
    for (const rung of this.#rungs) {
      if (rung.config === undefined) continue;
      const { frames } = rung;
      const firstPart = this.#firstPart;
      const packed = pack({ rung: rung.rung, sequence, config: rung.config, frames, partTargetMs, firstPart });
      leaves.push(...partLeaves(packed));
    }
    return {
      sequence,
      inputHash: bytesToHex(hashSegment(source)),
      leaves,
      firstFrame,
      frames: this.#source.length,
      durationMs: Math.round((source.totals.durationTicks * 1000) / config.timescale),
      units: leaves.reduce((sum, leaf) => sum + leaf.pixels, 0n),
    };
  }
}
