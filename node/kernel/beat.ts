import type { Clock } from "./clock.ts";

/** A timer may go off so much before the clock shows its time. */
const EARLY_MS = 5;

/**
 * One measure of time for many loops: all that pause for equally long go on in one moment. What they do then costs less
 * than one by one, and what they send can go out together. Of another process the moment is another.
 */
export class Beat {
  readonly #clock: Clock;
  readonly #startMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.nowMs();
  }

  /**
   * Resolves at the next whole multiple of `ms` since the beat began, and at the one after where that is about to come:
   * nobody gets one twice. Rejects when aborted.
   */
  next(ms: number, signal?: AbortSignal): Promise<void> {
    const sinceMs = this.#clock.nowMs() - this.#startMs;
    // Also right where the clock was set back.
    const restMs = ms - (((sinceMs % ms) + ms) % ms);
    return this.#clock.sleep(restMs <= EARLY_MS ? restMs + ms : restMs, signal);
  }
}
