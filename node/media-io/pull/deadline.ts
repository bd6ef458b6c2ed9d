import { PullError } from "./errors.ts";

/** A time limit for something whole: what comes drop by drop is never silent, and never over. */
export class Deadline {
  /** Aborts with PULL_TIMEOUT when it is too late, and with the one that was given. */
  readonly signal: AbortSignal;
  readonly #timer: NodeJS.Timeout;

  constructor(timeoutMs: number, signal: AbortSignal) {
    const late = new AbortController();
    this.#timer = setTimeout(() => late.abort(new PullError({ code: "PULL_TIMEOUT", timeoutMs })), timeoutMs);
    this.signal = AbortSignal.any([signal, late.signal]);
  }

  /** It was in time. */
  clear(): void {
    clearTimeout(this.#timer);
  }
}
