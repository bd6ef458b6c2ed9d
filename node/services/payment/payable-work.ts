import type { ChannelState } from "@leat/node/chain/channel-view.ts";
import { fitEntries } from "@leat/node/metering/ledger.ts";
import type { LedgerEntry, VoucherSide, VoucherStore } from "@leat/node/metering/voucher-store.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import type { Book } from "./channel-book.ts";
import { PaymentError } from "./errors.ts";

/** Receipts under one voucher: an offer of as many is 100 KB. More wait for the next. */
const MAX_COVERED = 1_024;

/**
 * The largest total of a voucher that is worth its paper. The pool is worth nothing to a payee, since the payer can empty
 * it, and must not be spent for a payer: the escrow would draw on it for what the reserve does not hold. What thaws can
 * still be collected, and is at once: it counts for work that was done, never for credit.
 */
export function backedTotal({ collected, reserve, thawing }: ChannelState): bigint {
  return collected + reserve + thawing;
}

/** @throws VOUCHER_ABOVE_RESERVE */
export function checkBacked({ cumulative }: Pick<Voucher, "cumulative">, state: ChannelState): void {
  if (cumulative <= backedTotal(state)) return;
  throw new PaymentError({
    code: "VOUCHER_ABOVE_RESERVE",
    open: cumulative - state.collected,
    reserve: state.reserve,
  });
}

export interface PayableWork {
  /** By job, attempt and segment, at most MAX_COVERED. */
  readonly entries: readonly LedgerEntry[];
  /** Of all that is payable now. */
  readonly receiptHashes: ReadonlySet<Hex>;
  /** All that was ever payable up to and with these entries. */
  readonly totalExact: bigint;
}

/** Finds what the next voucher of a channel is to cover. */
export class PayableReader {
  readonly #side: VoucherSide;
  readonly #components: { readonly vouchers: VoucherStore; readonly logger: Logger };
  /** Channels of which it was said that nothing fits any more. */
  readonly #said = new WeakSet<Book>();

  constructor(side: VoucherSide, components: { readonly vouchers: VoucherStore; readonly logger: Logger }) {
    this.#side = side;
    this.#components = components;
  }

  /**
   * As much as a total of `most` base units has room for: what is above must not keep all else unpaid. Work becomes
   * payable at any moment, also between two reads: a total that counted work which the entries do not name would ask for
   * more than it shows.
   *
   * @param named Nothing but these: a settlement that took in what became payable meanwhile would never end.
   */
  async read(book: Book, most: bigint, named?: ReadonlySet<Hex>): Promise<PayableWork> {
    const { vouchers } = this.#components;
    for (;;) {
      const totalExact = await vouchers.totalExact(this.#side, book.id);
      const open = await vouchers.openEntries(this.#side, book.id, "payable");
      if (totalExact !== (await vouchers.totalExact(this.#side, book.id))) continue;
      const settledExact = open.reduce((rest, { exact }) => rest - exact, totalExact);
      const receiptHashes = new Set(open.map(({ receiptHash }) => receiptHash));
      const asked = named === undefined ? open : open.filter(({ receiptHash }) => named.has(receiptHash));
      const fitting = fitEntries(asked, { settledExact, most, decimals: book.decimals });
      this.#sayShort(book, asked.length > 0 && fitting.length === 0);
      const entries = fitting.slice(0, MAX_COVERED);
      const coveredExact = entries.reduce((sum, { exact }) => sum + exact, settledExact);
      return { entries, receiptHashes, totalExact: coveredExact };
    }
  }

  #sayShort(book: Book, isShort: boolean): void {
    if (!isShort) this.#said.delete(book);
    if (!isShort || this.#said.has(book)) return;
    this.#said.add(book);
    const { payer, payee } = book.channel;
    this.#components.logger.warn("Reserve covers no more work", { channel: book.id, payer, payee });
  }
}
