export interface ReplayLimits {
  /** Remembered requests in all: some 200 bytes each. */
  readonly total: number;
  /** And of one account, so that a busy one shuts out nobody else. */
  readonly perAccount: number;
}

/**
 * Signed requests that were used and could still be used again. Never forgets one before its time: when it is full it
 * takes no more, since forgetting would let an old request pass twice.
 */
export class ReplayGuard {
  readonly #limits: ReplayLimits;
  /** By expiry in whole seconds, so that what is over goes at once. */
  readonly #bySecond = new Map<number, { nonce: string; account: string }[]>();
  readonly #nonces = new Set<string>();
  readonly #perAccount = new Map<string, number>();
  #sweptTo = 0;

  constructor(limits: ReplayLimits = { total: 200_000, perAccount: 20_000 }) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#nonces.size;
  }

  has(nonce: string): boolean {
    return this.#nonces.has(nonce);
  }

  /** False when there is no room. */
  add(nonce: string, account: string, nowSeconds: number, untilSeconds: number): boolean {
    this.#sweep(nowSeconds);
    const held = this.#perAccount.get(account) ?? 0;
    if (this.#nonces.size >= this.#limits.total || held >= this.#limits.perAccount) return false;
    this.#nonces.add(nonce);
    this.#perAccount.set(account, held + 1);
    const others = this.#bySecond.get(untilSeconds);
    if (others === undefined) this.#bySecond.set(untilSeconds, [{ nonce, account }]);
    else others.push({ nonce, account });
    return true;
  }

  #sweep(nowSeconds: number): void {
    if (nowSeconds <= this.#sweptTo) return;
    this.#sweptTo = nowSeconds;
    for (const [second, entries] of this.#bySecond) {
      // At `second` itself a request is still taken.
      if (second >= nowSeconds) continue;
      this.#bySecond.delete(second);
      for (const { nonce, account } of entries) this.#drop(nonce, account);
    }
  }

  #drop(nonce: string, account: string): void {
    this.#nonces.delete(nonce);
    const left = (this.#perAccount.get(account) ?? 1) - 1;
    if (left > 0) this.#perAccount.set(account, left);
    else this.#perAccount.delete(account);
  }
}
