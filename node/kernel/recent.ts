export interface RecentOptions {
  /** How long an entry is there once it was set; for as long as there is room where absent. */
  readonly ageMs?: number;
  readonly nowMs?: () => number;
}

/** The entries that were set last, at most so many: the oldest goes when one more comes. */
export class Recent<K, V> {
  readonly #most: number;
  readonly #ageMs: number;
  readonly #nowMs: () => number;
  readonly #entries = new Map<K, { readonly value: V; readonly setAtMs: number }>();

  constructor(most: number, options: RecentOptions = {}) {
    const { ageMs = Number.POSITIVE_INFINITY, nowMs = () => performance.now() } = options;
    this.#most = most;
    this.#ageMs = ageMs;
    this.#nowMs = nowMs;
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined || this.#isOld(entry.setAtMs) ? undefined : entry.value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, setAtMs: this.#nowMs() });
    for (const [oldest, { setAtMs }] of this.#entries) {
      if (this.#entries.size <= this.#most && !this.#isOld(setAtMs)) return;
      this.#entries.delete(oldest);
    }
  }

  #isOld(setAtMs: number): boolean {
    return this.#nowMs() - setAtMs > this.#ageMs;
  }
}
