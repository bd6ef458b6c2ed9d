import type { Clock } from "./clock.ts";

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

  /** Resolves at the next whole multiple of `ms` since the beat began: after `ms` at the latest. Rejects when aborted. */
  next(ms: number, signal?: AbortSignal): Promise<void> {
    const sinceMs = this.#clock.nowMs() - this.#startMs;
    // Also right where the clock was set back.
    return this.#clock.sleep(ms - (((sinceMs % ms) + ms) % ms), signal);
  }
}
