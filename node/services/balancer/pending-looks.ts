import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";

interface Pending {
  isLooking: boolean;
  isWanted: boolean;
  timer: AbortController | undefined;
}

/**
 * Looks at streams again, one at a time each: however often it is asked for, one look is due at most, and one timer
 * runs.
 */
export class PendingLooks {
  readonly #clock: Clock;
  readonly #tasks: TaskGroup;
  readonly #look: (stream: Hex) => Promise<void>;
  readonly #pending = new Map<Hex, Pending>();

  constructor(clock: Clock, tasks: TaskGroup, look: (stream: Hex) => Promise<void>) {
    this.#clock = clock;
    this.#tasks = tasks;
    this.#look = look;
  }

  now(stream: Hex): void {
    if (this.#tasks.signal.aborted) return;
    const pending = this.#of(stream);
    pending.isWanted = true;
    if (pending.isLooking) return;
    pending.isLooking = true;
    this.#tasks.run(async () => {
      try {
        while (pending.isWanted) {
          pending.isWanted = false;
          await this.#look(stream);
        }
      } finally {
        pending.isLooking = false;
        this.#leave(stream, pending);
      }
    });
  }

  /** Once more at this time, and no more at the one that was named before. */
  at(stream: Hex, atMs: number): void {
    if (this.#tasks.signal.aborted) return;
    const pending = this.#of(stream);
    pending.timer?.abort();
    const timer = new AbortController();
    pending.timer = timer;
    this.#tasks.run(async (signal) => {
      const until = AbortSignal.any([signal, timer.signal]);
      await this.#clock.sleep(Math.max(0, atMs - this.#clock.nowMs()), until).catch(() => {});
      if (until.aborted) return;
      pending.timer = undefined;
      this.now(stream);
    });
  }

  #of(stream: Hex): Pending {
    const pending = this.#pending.get(stream) ?? { isLooking: false, isWanted: false, timer: undefined };
    this.#pending.set(stream, pending);
    return pending;
  }

  #leave(stream: Hex, pending: Pending): void {
    if (pending.timer === undefined && !pending.isLooking) this.#pending.delete(stream);
  }
}
