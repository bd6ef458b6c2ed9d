/** How fast a channel's money is used up, measured over the last minutes of booked work. */
export class SpendingRate {
  readonly #buckets: { readonly startMs: number; exact: bigint }[] = [];
  /** Of all buckets: it is asked for more often than anything is booked. */
  #total = 0n;
  #bookedAtMs = Number.NEGATIVE_INFINITY;

  book(exact: bigint, nowMs: number): void {
    // What was spent before a pause says nothing of what is spent after it.
    if (this.#isPaused(nowMs)) this.#clear();
    this.#bookedAtMs = nowMs;
    this.#total += exact;
    const newest = this.#buckets.at(-1);
    if (newest !== undefined && nowMs - newest.startMs < BUCKET_MS) newest.exact += exact;
    else this.#buckets.push({ startMs: nowMs, exact });
    this.#forget(nowMs);
  }

  /** Exact amount a second; undefined until half a minute was seen, or when nothing was booked for the window. */
  perSecond(nowMs: number): bigint | undefined {
    this.#forget(nowMs);
    const first = this.#buckets[0];
    if (first === undefined || nowMs - first.startMs < LEAST_SEEN_MS) return undefined;
    return this.#rate(nowMs - first.startMs);
  }

  /** The same for who has no price to go by before: a little low in the first seconds, and nothing in a pause. */
  recentPerSecond(nowMs: number): bigint {
    this.#forget(nowMs);
    const first = this.#buckets[0];
    if (first === undefined || this.#isPaused(nowMs)) return 0n;
    return this.#rate(Math.max(nowMs - first.startMs, LEAST_SPAN_MS));
  }

  #rate(ms: number): bigint {
    return (this.#total * 1_000n) / BigInt(Math.ceil(ms));
  }

  #isPaused(nowMs: number): boolean {
    return nowMs - this.#bookedAtMs >= PAUSE_MS;
  }

  #clear(): void {
    this.#buckets.length = 0;
    this.#total = 0n;
  }

  #forget(nowMs: number): void {
    const oldest = nowMs - WINDOW_MS;
    while (this.#buckets[0] !== undefined && this.#buckets[0].startMs <= oldest) {
      this.#total -= this.#buckets.shift()!.exact;
    }
  }
}

const BUCKET_MS = 5_000;
const WINDOW_MS = 300_000;
const LEAST_SEEN_MS = 30_000;
/** Some segments of each job: the first of them come together. */
const LEAST_SPAN_MS = 10_000;
/** No segment is longer than 4 s: where nothing came of several, nothing is made. */
const PAUSE_MS = 20_000;

/** Whole seconds for which the money lasts at this rate; undefined while nothing is spent. */
export function runwaySeconds(freeExact: bigint, exactPerSecond: bigint): bigint | undefined {
  return exactPerSecond <= 0n ? undefined : (freeExact > 0n ? freeExact : 0n) / exactPerSecond;
}
