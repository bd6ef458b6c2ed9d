/** How often a holder says something to an edge, milliseconds: an edge takes one that says nothing for gone. */
export const ALIVE_MS = 200;
/** Edges ask at times of their own: this often at most something new is said to all of them. */
const LEAST_MS = 150;

/**
 * An origin's count of time, by which edges see how old what it says is. It only goes up: a clock that is set back is as
 * one that went on, since whoever compares it with a time of its own would take the stream for late ever after.
 */
export class ProgressCount {
  #ms: number | undefined;
  #readAtMs = 0;

  /** Milliseconds. */
  get ms(): number {
    return this.#ms ?? 0;
  }

  /** False where it is too early for another word. */
  advance(nowMs: number): boolean {
    const passedMs = nowMs - this.#readAtMs;
    if (this.#ms !== undefined && passedMs >= 0 && passedMs < LEAST_MS) return false;
    this.#ms = this.#ms === undefined ? nowMs : this.#ms + (passedMs < 0 ? ALIVE_MS : passedMs);
    this.#readAtMs = nowMs;
    return true;
  }
}
