import type { Clock } from "@leat/node/kernel/clock.ts";

/** A clock that a test moves by hand. */
export class ManualClock implements Clock {
  #nowMs: number;
  #sleepers: { dueMs: number; wake: () => void }[] = [];

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
  }

  get sleeping(): number {
    return this.#sleepers.length;
  }

  /** Whether somebody wakes after exactly so long. */
  isSlept(ms: number): boolean {
    return this.#sleepers.some(({ dueMs }) => dueMs === this.#nowMs + ms);
  }

  nowMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const leave = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal?.reason);
      };
      const sleeper = {
        dueMs: this.#nowMs + ms,
        wake: () => {
          signal?.removeEventListener("abort", leave);
          resolve();
        },
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#sleepers.push(sleeper);
    });
  }

  /** Moves time on, waking sleepers one by one at their own time; work that they do in promises runs in between. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await settle();
      const next = this.#sleepers.reduce<{ dueMs: number; wake: () => void } | undefined>(
        (first, sleeper) =>
          sleeper.dueMs <= endMs && (first === undefined || sleeper.dueMs < first.dueMs) ? sleeper : first,
        undefined,
      );
      if (next === undefined) break;
      this.#sleepers = this.#sleepers.filter((other) => other !== next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.wake();
    }
    this.#nowMs = endMs;
    await settle();
  }
}

/** Lets every promise that is already resolved run its followers. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
