export interface PauseBounds {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Before a node that refused is asked again. */
export const askPause: PauseBounds = { minMs: 1_000, maxMs: 30_000 };
/** Before others are looked for: each time a signed decision is left for ever. */
export const choosePause: PauseBounds = { minMs: 1_000, maxMs: 600_000 };

/** When something that failed may be tried again: each failure in a row doubles the pause, up to a limit. */
export class GrowingPause {
  readonly #bounds: PauseBounds;
  #failedAtMs = Number.NEGATIVE_INFINITY;
  #pauseMs = 0;

  constructor(bounds: PauseBounds) {
    this.#bounds = bounds;
  }

  isOver(nowMs: number): boolean {
    return nowMs - this.#failedAtMs >= this.#pauseMs;
  }

  failed(nowMs: number): void {
    const { minMs, maxMs } = this.#bounds;
    this.#failedAtMs = nowMs;
    this.#pauseMs = Math.min(Math.max(2 * this.#pauseMs, minMs), maxMs);
  }

  /** There is a new reason to hope. Never shorter than the first pause: what gives hope may come in crowds. */
  shorten(): void {
    this.#pauseMs = Math.min(this.#pauseMs, this.#bounds.minMs);
  }
}
