/** Who comes so long after the last one comes in another turn: within one they come right after each other. */
const REST_MS = 0.5;

/** Lets so many tasks run in one turn of the event loop, and others in the next ones, in order: what is not of them waits little. */
export class LoopShare {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #left: number;
  #ranAtMs = 0;
  #isTurning = false;

  constructor(most: number) {
    this.#most = most;
    this.#left = most;
  }

  /** Runs it now, or in a later turn. It must not throw. */
  run(task: () => void): void {
    // Asking the loop for a turn costs another one: not for each that comes alone.
    if (!this.#isTurning && performance.now() - this.#ranAtMs > REST_MS) this.#left = this.#most;
    if (this.#left > 0) {
      this.#left -= 1;
      this.#ranAtMs = Number.POSITIVE_INFINITY;
      task();
      this.#ranAtMs = performance.now();
      return;
    }
    this.#waiting.push(task);
    this.#turnLater();
  }

  #turnLater(): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isTurning = false;
    const tasks = this.#waiting.splice(0, this.#most);
    this.#left = this.#most - tasks.length;
    if (tasks.length > 0) this.#turnLater();
    for (const task of tasks) task();
  }
}
