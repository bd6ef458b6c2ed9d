import type { LedgerEntry, VoucherStore } from "@leat/node/metering/voucher-store.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { toBaseUnits, toExact } from "@leat/sdk/protocol/units.ts";
import type { Book } from "./channel-book.ts";

/**
 * Vouchers that cover receipts and pay less than the payee booked for them: nothing covers the rest ever after. It counts
 * as unpaid while an attempt of that work runs, so that a payer which pays too little reaches its credit limit; then it is
 * written off, or the payer could never again have anything done on credit. Called with the book's mutex held.
 */
export class ShortPay {
  readonly #components: { readonly vouchers: VoucherStore; readonly logger: Logger };

  constructor(components: { readonly vouchers: VoucherStore; readonly logger: Logger }) {
    this.#components = components;
  }

  /** @param covered Work that a voucher covers since the last look. */
  async look(book: Book, covered: readonly LedgerEntry[] = []): Promise<void> {
    const exact = await this.#shortExact(book);
    if (exact === 0n) {
      book.shortAttempts.clear();
      return;
    }
    for (const { job, attempt } of covered) book.shortAttempts.set(job, attempt);
    for (const [job, attempt] of book.shortAttempts) if (book.openJobs.get(job)?.attempt === attempt) return;
    await this.#writeOff(book, exact);
  }

  async #writeOff(book: Book, exact: bigint): Promise<void> {
    const { vouchers, logger } = this.#components;
    const record = await vouchers.newest("held", book.id);
    if (record === undefined) return;
    // The same voucher again: only the total beside it changes.
    const expectedSeq = record.voucher.value.seq;
    const result = await vouchers.put("held", { record, expectedSeq, covered: [], adjustExact: -exact });
    if (!result.stored) return;
    book.ledger.takeLess(exact);
    book.shortAttempts.clear();
    logger.warn("Voucher paid less than was booked", { channel: book.id, payer: book.channel.payer, exact });
  }

  /** In whole base units: less than one is carried. */
  async #shortExact({ id, decimals, ledger }: Book): Promise<bigint> {
    if (toBaseUnits(ledger.unpaidExact, decimals) === 0n) return 0n;
    const { vouchers } = this.#components;
    // The total first: work that becomes payable in between is in neither then.
    const totalExact = await vouchers.totalExact("held", id);
    const open = await vouchers.openEntries("held", id);
    const payable = open.filter(({ state }) => state === "payable").reduce((sum, entry) => sum + entry.exact, 0n);
    const covered = totalExact > payable ? totalExact - payable : 0n;
    const short = toBaseUnits(covered, decimals) - ledger.vouchered;
    return short > 0n ? toExact(short, decimals) : 0n;
  }
}
