import type { Clock } from "../../kernel/clock.ts";

/** Faster than any two clocks differ: a source whose clock is ahead of ours is never left behind for good. */
const SPEED = 1.001;
/** A longer step of a source's clock is a jump. */
const JUMP_MS = 10_000;

/**
 * Holds media back to the pace in which it is shown: a file is there at once and a playlist names seconds at once, but
 * what goes on from here is live.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #aheadMs: number;
  #start: { readonly mediaMs: number; readonly atMs: number } | undefined;
  #last = 0;

  /** @param aheadMs How far media may be ahead of its time. */
  constructor(clock: Clock, aheadMs: number) {
    this.#clock = clock;
    this.#aheadMs = aheadMs;
  }

  /** Resolves when it is time for what is decoded at `dtsMs`. */
  async wait(dtsMs: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.nowMs();
    if (this.#start === undefined || Math.abs(dtsMs - this.#last) > JUMP_MS) {
      this.#start = { mediaMs: dtsMs, atMs: nowMs };
    }
    this.#last = dtsMs;
    const dueMs = this.#start.atMs + (dtsMs - this.#start.mediaMs) / SPEED - this.#aheadMs;
    if (dueMs > nowMs) await this.#clock.sleep(dueMs - nowMs, signal);
    // Far behind its time: nobody is helped by the lost time coming back in a rush.
    else if (nowMs - dueMs > this.#aheadMs + JUMP_MS) this.#start = { mediaMs: dtsMs, atMs: nowMs };
  }
}

/** Slows reading down to so many bytes a second, over any second. */
export class Throttle {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  #freeAtMs = 0;

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Resolves when these bytes may have been read. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.nowMs();
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs - 1_000) + (bytes * 1_000) / this.#bytesPerSecond;
    if (this.#freeAtMs > nowMs) await this.#clock.sleep(this.#freeAtMs - nowMs, signal);
  }
}
