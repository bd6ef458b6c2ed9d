import type { Clock } from "@leat/node/kernel/clock.ts";

/** Whether a stream's publisher is connected, of one that may lose its connection and come back. */
export class PublisherPresence {
  readonly #clock: Clock;
  readonly #graceMs: number;
  /** Not aborted: it is away, and may come back. */
  #grace: AbortController | undefined;
  #returns = 0;

  /** `graceMs`: how long it may be away. */
  constructor(clock: Clock, graceMs: number) {
    this.#clock = clock;
    this.#graceMs = graceMs;
  }

  /** It is here again. */
  returned(): void {
    this.#returns += 1;
    this.end();
  }

  /** Nobody waits for it any more. */
  end(): void {
    this.#grace?.abort();
  }

  /** It left. Resolves with whether it stayed away for all of its grace; false where that ended before, or `signal` aborted. */
  async left(signal: AbortSignal): Promise<boolean> {
    const grace = new AbortController();
    this.#grace = grace;
    return await this.#outlasts(grace, signal);
  }

  /**
   * Resolves when it was here for `forMs` on one connection, `isEnough`, or as long as its grace has passed.
   * Rejects when `signal` aborts.
   */
  async stays(forMs: number, isEnough: () => boolean, signal: AbortSignal): Promise<void> {
    const untilMs = this.#clock.nowMs() + this.#graceMs;
    while (!isEnough() && this.#clock.nowMs() < untilMs) {
      const before = this.#returns;
      await this.#clock.sleep(forMs, signal);
      if (this.#grace?.signal.aborted === false) await this.#outlasts(this.#grace, signal);
      else if (this.#returns === before) return;
    }
    signal.throwIfAborted();
  }

  async #outlasts(grace: AbortController, signal: AbortSignal): Promise<boolean> {
    const until = AbortSignal.any([signal, grace.signal]);
    await this.#clock.sleep(this.#graceMs, until).catch(() => {});
    return !until.aborted;
  }
}
