import { CodedError } from "@leat/sdk/base/errors.ts";
import { type Clock, systemClock } from "./clock.ts";

export class TaskGroupError extends CodedError<{ code: "KERNEL_TASKS_CLOSED" }> {}

export interface TaskGroupOptions {
  readonly clock?: Clock;
  /**
   * Hears every failure of a task that is not the group's own abort. Without it a failure is a bug: it is thrown where
   * nothing catches it, so that a dead loop is never silent.
   */
  readonly onError?: (error: unknown) => void;
}

/** Background work of one part: nothing floats, and `close` leaves nothing behind. */
export class TaskGroup {
  readonly #controller = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;

  constructor(options: TaskGroupOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#onError = options.onError ?? throwUncaught;
  }

  /** Aborts when the group closes. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get size(): number {
    return this.#running.size;
  }

  /** Starts `task` now. It must end soon after its signal aborts. */
  run(task: (signal: AbortSignal) => Promise<unknown>): void {
    if (this.signal.aborted) throw new TaskGroupError({ code: "KERNEL_TASKS_CLOSED" });
    const done: Promise<void> = this.#guard(task).finally(() => this.#running.delete(done));
    this.#running.add(done);
  }

  /**
   * Calls `round` again and again, `ms` after the last one ended, until `isNeeded` says no before a pause. A failing round
   * is reported and the next one comes.
   */
  every(ms: number, round: (signal: AbortSignal) => unknown, isNeeded: () => boolean = () => true): void {
    this.run(async (signal) => {
      while (!signal.aborted && isNeeded()) {
        await this.#clock.sleep(ms, signal);
        await this.#guard(async () => round(signal));
      }
    });
  }

  /**
   * Aborts every task and waits for all of them. Works twice. Never call it from a task of this group: it would wait for
   * itself.
   */
  async close(): Promise<void> {
    if (!this.signal.aborted) this.#controller.abort();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #guard(task: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    try {
      await task(this.signal);
    } catch (error) {
      if (this.signal.aborted && isAbort(error, this.signal)) return;
      this.#onError(error);
    }
  }
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  return error === signal.reason || (error instanceof Error && error.name === "AbortError");
}

function throwUncaught(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
