/** More than lies between two pictures, and than a turn of many publishers takes. */
const FRESH_WITHIN_MS = 150;
const REMEMBERED_MS = 5_000;

/**
 * Whether media comes as soon after its time as it did at its soonest within the last seconds. Where it does not, more of it
 * waits at its sender: a connection is let have only so much unread, little where it was never read late, and whoever reads
 * it seldom and takes no more than that each time falls behind for good.
 */
export class Freshness {
  #newestMs: number | undefined;
  #isFresh = false;
  #soonestMs = Number.POSITIVE_INFINITY;
  #soonestBeforeMs = Number.POSITIVE_INFINITY;
  #sinceMs = Number.NEGATIVE_INFINITY;

  /** Media of this time came. */
  note(timestampMs: number): void {
    this.#newestMs = Math.max(timestampMs, this.#newestMs ?? timestampMs);
  }

  /** Judges by the newest of what came since it was last asked; where nothing did, as then. False before anything came. */
  isFresh(nowMs: number): boolean {
    if (this.#newestMs === undefined) return this.#isFresh;
    const lateMs = nowMs - this.#newestMs;
    this.#newestMs = undefined;
    if (nowMs - this.#sinceMs >= REMEMBERED_MS) {
      this.#soonestBeforeMs = this.#soonestMs;
      this.#soonestMs = Number.POSITIVE_INFINITY;
      this.#sinceMs = nowMs;
    }
    this.#soonestMs = Math.min(this.#soonestMs, lateMs);
    this.#isFresh = lateMs - Math.min(this.#soonestMs, this.#soonestBeforeMs) <= FRESH_WITHIN_MS;
    return this.#isFresh;
  }
}
