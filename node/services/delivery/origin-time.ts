import type { Clock } from "@leat/node/kernel/clock.ts";
import { ALIVE_MS } from "../jobs/progress-count.ts";

/** What passes here between two looks at most: a clock that is set forward, and a process that stood still, are no delay of others. */
const LONGEST_STEP_MS = 2 * ALIVE_MS;
/** Two clocks drift apart by less: a count that is slower than this machine's is not late for that. */
const DRIFT = 0.001;

/**
 * How old an origin's words are. Clocks may differ by minutes, so its count is compared with the time that passes here:
 * the word that came the fastest had no delay, and any other is as old as it is behind that.
 *
 * Example: a word of 5,000 came at 100 of the time here, one of 5,200 at 1,300. The second took 1,000 more than the first.
 */
export class OriginTime {
  readonly #clock: Pick<Clock, "nowMs">;
  #passedMs = 0;
  #readAtMs: number;
  /** Of the time here over the origin's count, the least that was seen. */
  #aheadMs: number | undefined;

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
    this.#readAtMs = clock.nowMs();
  }

  /** Word came in that was given at `atMs` of the origin's count. */
  heard(atMs: number): void {
    const aheadMs = this.#pass() - atMs;
    if (this.#aheadMs === undefined || aheadMs < this.#aheadMs) this.#aheadMs = aheadMs;
  }

  /** How long ago a word was given that was heard, milliseconds. */
  ageMs(atMs: number): number {
    const passedMs = this.#pass();
    return passedMs - atMs - (this.#aheadMs ?? passedMs - atMs);
  }

  /** Another origin counts anew, and one that is asked itself says what counts. */
  forget(): void {
    this.#aheadMs = undefined;
  }

  #pass(): number {
    const nowMs = this.#clock.nowMs();
    const passedMs = Math.min(Math.max(0, nowMs - this.#readAtMs), LONGEST_STEP_MS);
    this.#readAtMs = nowMs;
    this.#passedMs += passedMs;
    if (this.#aheadMs !== undefined) this.#aheadMs += passedMs * DRIFT;
    return this.#passedMs;
  }
}
