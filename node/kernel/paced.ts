import type { Clock } from "./clock.ts";
import type { TaskGroup } from "./task-group.ts";

export interface PacedOptions<K> {
  readonly clock: Clock;
  readonly tasks: TaskGroup;
  /** From the end of one work of a key to the beginning of its next. */
  readonly pauseMs: number;
  /** Whether there is reason for it now; asked before each work. */
  readonly isDue: (key: K) => boolean;
  /** A failure is the task group's to hear, and is followed by the pause too. */
  readonly work: (key: K) => Promise<unknown>;
}

/**
 * Does one work of each key at a time, with a pause behind it. Whoever asks while one runs or pauses gets one more, which
 * all of them share, if it is still due by then.
 */
export class Paced<K> {
  readonly #options: PacedOptions<K>;
  /** Keys that are worked on or pause, and whether somebody asked since their work began. */
  readonly #open = new Map<K, boolean>();

  constructor(options: PacedOptions<K>) {
    this.#options = options;
  }

  ask(key: K): void {
    const { clock, tasks, pauseMs, isDue, work } = this.#options;
    if (this.#open.has(key)) {
      this.#open.set(key, true);
      return;
    }
    if (tasks.signal.aborted || !isDue(key)) return;
    this.#open.set(key, true);
    tasks.run(async (signal) => {
      try {
        while (this.#open.get(key) && isDue(key)) {
          this.#open.set(key, false);
          try {
            await work(key);
          } finally {
            await clock.sleep(pauseMs, signal);
          }
        }
      } finally {
        const isAsked = this.#open.get(key) === true;
        this.#open.delete(key);
        // Behind a failure too.
        if (isAsked) this.ask(key);
      }
    });
  }
}
