import { performance } from "node:perf_hooks";

/**
 * Lets so many tasks run in one turn of the event loop, and others in the next ones, in order: what is not of them waits
 * little. Where too many wait, each new one has the oldest run at once: whoever brings them is as slow as they are.
 */
export class LoopShare {
  readonly #perTurn: number;
  readonly #mostWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #left: number;
  /** The turn in which some last were let run at once. */
  #turn = -1;
  #isPlanned = false;

  constructor({ perTurn, mostWaiting }: { readonly perTurn: number; readonly mostWaiting: number }) {
    this.#perTurn = perTurn;
    this.#mostWaiting = mostWaiting;
    this.#left = perTurn;
  }

  /** Runs it now, or in a later turn. It must not throw. */
  run(task: () => void): void {
    // Asking the loop for a turn costs one: not for each task that comes alone.
    const { loopCount } = performance.nodeTiming.uvMetricsInfo;
    if (!this.#isPlanned && loopCount !== this.#turn) this.#left = this.#perTurn;
    this.#turn = loopCount;
    if (this.#left > 0) {
      this.#left -= 1;
      task();
      return;
    }
    this.#waiting.push(task);
    this.#plan();
    if (this.#waiting.length > this.#mostWaiting) this.#waiting.shift()!();
  }

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    setImmediate(() => this.#runSome());
  }

  #runSome(): void {
    this.#isPlanned = false;
    const tasks = this.#waiting.splice(0, this.#perTurn);
    this.#left = this.#perTurn - tasks.length;
    if (tasks.length > 0) this.#plan();
    for (const task of tasks) task();
  }
}
