import type { Clock } from "./clock.ts";
import type { TaskGroup } from "./task-group.ts";

export interface Ticked {
  tick(nowMs: number): void;
}

/** Members that are called again and again. Where there is none, nothing runs: a timer wakes a process that sleeps. */
export class TickedSet<M extends Ticked> {
  readonly #members = new Set<M>();
  readonly #tasks: TaskGroup;
  readonly #clock: Clock;
  readonly #everyMs: number;
  #isTicking = false;

  /** `tasks`: what the calls end with, and what hears of one that fails. */
  constructor(tasks: TaskGroup, clock: Clock, everyMs: number) {
    this.#tasks = tasks;
    this.#clock = clock;
    this.#everyMs = everyMs;
  }

  get size(): number {
    return this.#members.size;
  }

  [Symbol.iterator](): IterableIterator<M> {
    return this.#members.values();
  }

  add(member: M): void {
    this.#members.add(member);
    if (this.#isTicking || this.#tasks.signal.aborted) return;
    this.#isTicking = true;
    this.#tasks.every(
      this.#everyMs,
      () => this.#tick(),
      () => this.#isNeeded(),
    );
  }

  delete(member: M): void {
    this.#members.delete(member);
  }

  #tick(): void {
    const nowMs = this.#clock.nowMs();
    for (const member of this.#members) member.tick(nowMs);
  }

  #isNeeded(): boolean {
    this.#isTicking = this.#members.size > 0;
    return this.#isTicking;
  }
}
