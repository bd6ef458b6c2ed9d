/** Packets missed in a second that are no accident. */
const MISSED_PER_SECOND = 2;
const STEP_MS = 200;
/** What was lost, and was lost once more when it was sent again, is there by then over most ways. */
const MOST_MS = 600;
/** Seconds without a missed packet after which the viewer is brought a step nearer again. */
const CALM_S = 20;

/**
 * How late a viewer should show what comes. Browsers learn how much packets jitter, but not how long what is sent again
 * takes: over a lossy way they would show each picture as soon as it is whole, and stand still in between.
 */
export class PlayoutDelay {
  #ms: number | undefined;
  #missed = 0;
  #calmS = 0;

  /** Undefined where the viewer had no reason to wait yet. */
  get ms(): number | undefined {
    return this.#ms;
  }

  /** The viewer asked for so many packets again. */
  miss(packets: number): void {
    this.#missed += packets;
  }

  /** To be called once a second. */
  tell(): void {
    const missed = this.#missed;
    this.#missed = 0;
    if (missed >= MISSED_PER_SECOND) this.#ms = Math.min(MOST_MS, (this.#ms ?? 0) + STEP_MS);
    this.#calmS = missed === 0 ? this.#calmS + 1 : 0;
    if (this.#ms === undefined || this.#calmS < CALM_S) return;
    this.#calmS = 0;
    this.#ms = Math.max(0, this.#ms - STEP_MS);
  }
}
