/** What an edge was granted of its stream's budget for viewers that cannot sign: beyond it, it serves for nothing. */
export class GrantedBytes {
  #granted: bigint;
  #left: bigint;

  constructor(granted: bigint) {
    this.#granted = granted;
    this.#left = granted;
  }

  get isNone(): boolean {
    return this.#granted === 0n;
  }

  /** All that it was ever granted is so much now. */
  set(granted: bigint): void {
    const left = this.#left + granted - this.#granted;
    this.#left = left > 0n ? left : 0n;
    this.#granted = granted;
  }

  /** So much was served. Answers what of it is paid. */
  take(served: bigint): bigint {
    const paid = served <= this.#left ? served : this.#left;
    this.#left -= paid;
    return paid;
  }
}
