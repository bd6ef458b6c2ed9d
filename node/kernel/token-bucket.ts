import type { Clock } from "./clock.ts";

export interface TokenBucketOptions {
  /** What there is at once. */
  readonly burst: number;
  /** How long it takes until all of it is there again. */
  readonly refillMs: number;
}

/** Bounds how often something is done: so much at once, and after that what time brings back. */
export class TokenBucket {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #options: TokenBucketOptions;
  #left: number;
  #filledAtMs: number;

  constructor(clock: Pick<Clock, "nowMs">, options: TokenBucketOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#left = options.burst;
    this.#filledAtMs = clock.nowMs();
  }

  /** What may be done now; below zero where more was charged than there was. */
  get left(): number {
    const { burst, refillMs } = this.#options;
    const nowMs = this.#clock.nowMs();
    // A clock that is set back brings nothing, and takes nothing.
    this.#left = Math.min(burst, this.#left + (Math.max(0, nowMs - this.#filledAtMs) * burst) / refillMs);
    this.#filledAtMs = nowMs;
    return this.#left;
  }

  /** Milliseconds until there is one. */
  get waitMs(): number {
    const { burst, refillMs } = this.#options;
    return Math.max(0, ((1 - this.left) * refillMs) / burst);
  }

  /** Takes one; false where there is none. */
  take(): boolean {
    if (this.left < 1) return false;
    this.#left -= 1;
    return true;
  }

  /** Takes one also where there is none: it has to be waited for afterwards. */
  charge(): void {
    this.#left = this.left - 1;
  }
}
