import { Mutex } from "@leat/node/kernel/mutex.ts";
import type { LevelWatchStore, WatchedVoucher } from "@leat/node/store/watched-vouchers.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { MAX_WATCHED, MAX_WATCHED_OF_PAYEE } from "@leat/sdk/protocol/limits.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import { WatchError } from "./errors.ts";

/** The newest voucher of each channel that is kept for somebody, on disk and at hand. */
export class KeptVouchers {
  readonly #store: Pick<LevelWatchStore, "all" | "put" | "remove">;
  readonly #kept = new Map<Hex, WatchedVoucher>();
  readonly #keptOf = new Map<Address, number>();
  readonly #mutex = new Mutex();

  constructor(store: Pick<LevelWatchStore, "all" | "put" | "remove">) {
    this.#store = store;
  }

  get size(): number {
    return this.#kept.size;
  }

  async load(): Promise<void> {
    for (const kept of await this.#store.all()) this.#remember(kept);
  }

  has(channel: Hex): boolean {
    return this.#kept.has(channel);
  }

  get(channel: Hex): WatchedVoucher | undefined {
    return this.#kept.get(channel);
  }

  all(): WatchedVoucher[] {
    return [...this.#kept.values()];
  }

  /** What is kept of an offer's channel where it is as good. @throws WATCH_VOUCHER_STALE where it is better */
  findSame(channel: Hex, { cumulative }: Voucher): Voucher | undefined {
    const held = this.#kept.get(channel)?.voucher.value;
    if (held === undefined || held.cumulative < cumulative) return undefined;
    if (held.cumulative === cumulative) return held;
    throw new WatchError({ code: "WATCH_VOUCHER_STALE", channel, held: held.cumulative, offered: cumulative });
  }

  /** Why one more channel of a payee has no place. */
  findFull(payee: Address): { held: number; most: number } | undefined {
    const own = this.#keptOf.get(payee) ?? 0;
    if (own >= MAX_WATCHED_OF_PAYEE) return { held: own, most: MAX_WATCHED_OF_PAYEE };
    return this.size >= MAX_WATCHED ? { held: this.size, most: MAX_WATCHED } : undefined;
  }

  /**
   * On disk when it resolves.
   * @throws WATCH_VOUCHER_STALE or WATCH_FULL when another was faster
   */
  put(watched: WatchedVoucher): Promise<Voucher> {
    const { channel, voucher } = watched;
    const { payee } = voucher.value;
    return this.#mutex.run(async () => {
      const same = this.findSame(channel, voucher.value);
      if (same !== undefined) return same;
      const full = this.has(channel) ? undefined : this.findFull(payee);
      if (full !== undefined) throw new WatchError({ code: "WATCH_FULL", ...full });
      await this.#store.put(watched);
      this.#remember(watched);
      return voucher.value;
    });
  }

  /** Unless a newer one took its place meanwhile. Answers what is gone. */
  drop(...watched: readonly WatchedVoucher[]): Promise<readonly WatchedVoucher[]> {
    return this.#mutex.run(async () => {
      const still = watched.filter((one) => this.#kept.get(one.channel) === one);
      if (still.length > 0) await this.#store.remove(...still);
      for (const { channel, voucher } of still) {
        this.#kept.delete(channel);
        this.#giveBack(voucher.value.payee);
      }
      return still;
    });
  }

  #remember(kept: WatchedVoucher): void {
    const { payee } = kept.voucher.value;
    if (!this.#kept.has(kept.channel)) this.#keptOf.set(payee, (this.#keptOf.get(payee) ?? 0) + 1);
    this.#kept.set(kept.channel, kept);
  }

  #giveBack(payee: Address): void {
    const left = (this.#keptOf.get(payee) ?? 1) - 1;
    if (left > 0) this.#keptOf.set(payee, left);
    else this.#keptOf.delete(payee);
  }
}
