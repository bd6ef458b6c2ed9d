import { attemptKey, type OpenAttempt } from "./open-attempts.ts";

export interface NewestOptions {
  /** Kept of one attempt. */
  readonly perAttempt?: number;
  /** Kept in all. */
  readonly total?: number;
}

/** More than any live window holds. */
const PER_ATTEMPT = 64;
const TOTAL = 100_000;

/** What was told of the newest segments of attempts: those that were quiet longest give way. */
export class NewestOfAttempts<T> {
  readonly #perAttempt: number;
  readonly #total: number;
  readonly #attempts = new Map<string, Map<bigint, T>>();
  #size = 0;

  constructor({ perAttempt = PER_ATTEMPT, total = TOTAL }: NewestOptions = {}) {
    this.#perAttempt = perAttempt;
    this.#total = total;
  }

  get size(): number {
    return this.#size;
  }

  get(attempt: OpenAttempt, seq: bigint): T | undefined {
    return this.#attempts.get(attemptKey(attempt))?.get(seq);
  }

  set(attempt: OpenAttempt, seq: bigint, value: T): void {
    const name = attemptKey(attempt);
    const known = this.#attempts.get(name) ?? new Map<bigint, T>();
    this.#attempts.delete(name);
    this.#attempts.set(name, known);
    this.#size += known.has(seq) ? 0 : 1;
    known.set(seq, value);
    if (known.size > this.#perAttempt) {
      known.delete(known.keys().next().value!);
      this.#size -= 1;
    }
    while (this.#size > this.#total) this.#forget(this.#attempts.keys().next().value!);
  }

  /** The attempt is over. */
  forget(attempt: OpenAttempt): void {
    this.#forget(attemptKey(attempt));
  }

  #forget(name: string): void {
    this.#size -= this.#attempts.get(name)?.size ?? 0;
    this.#attempts.delete(name);
  }
}
