import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import type { Database } from "./database.ts";
import { fromText, toText } from "./json.ts";

export interface WatchedVoucher {
  readonly channel: Hex;
  readonly voucher: Signed<Voucher>;
  /** Who signed it, where that is known: to find out takes longer than all else that is done with it. */
  readonly signer?: Address;
}

type Kept = Omit<WatchedVoucher, "channel">;

/** What a watchtower keeps for others: the newest voucher of each channel, and the gas that it spent on a day. */
export class LevelWatchStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async all(): Promise<WatchedVoucher[]> {
    const found = await this.#database.list("watch/voucher/");
    return found.map(([key, text]) => {
      const kept = fromText(text) as Kept | Signed<Voucher>;
      // An older program kept the voucher alone.
      return { channel: key.slice(key.lastIndexOf("/") + 1) as Hex, ...("voucher" in kept ? kept : { voucher: kept }) };
    });
  }

  /** Durable when it resolves. */
  put({ channel, ...kept }: WatchedVoucher): Promise<void> {
    return this.#database.change(async (changes) =>
      changes.put(voucherKey(kept.voucher.value.payee, channel), toText(kept satisfies Kept)),
    );
  }

  remove(...watched: readonly WatchedVoucher[]): Promise<void> {
    return this.#database.change(async (changes) => {
      for (const { channel, voucher } of watched) changes.delete(voucherKey(voucher.value.payee, channel));
    });
  }

  /** Wei spent on a day, counted from 1970. */
  async spent(day: number): Promise<bigint> {
    return BigInt((await this.#database.get(spentKey(day))) ?? "0");
  }

  /** Adds to a day's spending; earlier days are forgotten. */
  addSpent(day: number, wei: bigint): Promise<void> {
    return this.#database.change(async (changes) => {
      for (const [key] of await changes.list("watch/spent/")) if (key !== spentKey(day)) changes.delete(key);
      changes.put(spentKey(day), (BigInt((await changes.get(spentKey(day))) ?? "0") + wei).toString());
    });
  }
}

function voucherKey(payee: Address, channel: Hex): string {
  return `watch/voucher/${payee}/${channel}`;
}

function spentKey(day: number): string {
  return `watch/spent/${day}`;
}
