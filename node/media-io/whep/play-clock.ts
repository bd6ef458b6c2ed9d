import type { Frame } from "@leat/sdk/protocol/frame.ts";

/** Epochs whose place is remembered: tracks of one stream are never further apart. */
const MAX_EPOCHS = 4;

/**
 * One clock for a viewer's tracks, over all epochs: milliseconds of the ingest node's wall clock. Where a new epoch
 * begins is told by when its first frame came in; within it the media's own clock counts.
 */
export class PlayClock {
  readonly #offsets = new Map<number, number>();

  /** When the frame shows. `timescale`: ticks a second of its track. */
  tell({ epoch, pts, arrivalMs }: Pick<Frame, "epoch" | "pts" | "arrivalMs">, timescale: number): number {
    const mediaMs = (pts * 1000) / timescale;
    const known = this.#offsets.get(epoch);
    if (known !== undefined) return known + mediaMs;
    const offsetMs = Math.round(arrivalMs - mediaMs);
    this.#offsets.set(epoch, offsetMs);
    if (this.#offsets.size > MAX_EPOCHS) this.#offsets.delete(this.#offsets.keys().next().value!);
    return offsetMs + mediaMs;
  }
}
