import type { GasSource } from "@leat/node/chain/gas.ts";
import type { Clock } from "@leat/node/kernel/clock.ts";
import { type GasPrice, usualPrice } from "@leat/node/metering/collect-rule.ts";

/** Prices that are kept: with one a minute, those of the last hour. */
const KEPT = 60;
const KEEP_EVERY_MS = 60_000;
/** What was asked a moment ago stands: a block is seldom younger. */
const FRESH_MS = 2_000;

/** The price of gas now, beside what is usual. */
export class GasWatch {
  readonly #source: GasSource;
  readonly #clock: Clock;
  #seen: bigint[] = [];
  #keptAtMs = Number.NEGATIVE_INFINITY;
  #now: { readonly price: bigint; readonly atMs: number } | undefined;

  constructor(source: GasSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** Sees to it that what is usual is known when it is asked for: a price is read when one is to be kept. */
  async keepUp(): Promise<void> {
    if (this.#clock.nowMs() - this.#keptAtMs >= KEEP_EVERY_MS) await this.price();
  }

  async price(): Promise<GasPrice> {
    const nowMs = this.#clock.nowMs();
    if (this.#now === undefined || nowMs - this.#now.atMs >= FRESH_MS) {
      this.#now = { price: await this.#source.gasPrice(), atMs: nowMs };
    }
    const { price } = this.#now;
    if (nowMs - this.#keptAtMs >= KEEP_EVERY_MS) {
      this.#seen = [...this.#seen, price].slice(-KEPT);
      this.#keptAtMs = nowMs;
    }
    return { now: price, usual: usualPrice(this.#seen) };
  }
}
