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

/** What a watchtower keeps for others: the newest voucher of each channel. */
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
}

function voucherKey(payee: Address, channel: Hex): string {
  return `watch/voucher/${payee}/${channel}`;
}
