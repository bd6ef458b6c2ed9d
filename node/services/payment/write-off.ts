import type { LedgerEntry, VoucherStore } from "@leat/node/metering/voucher-store.ts";
import type { Book } from "./channel-book.ts";

/** Open work of a payer's channel that will never be paid. Answers what it was worth, exact. */
export function writeOff(vouchers: VoucherStore, book: Book, isLost: (entry: LedgerEntry) => boolean): Promise<bigint> {
  // Never beside a voucher that is being signed over it, nor twice.
  return book.mutex.run(async () => {
    const lost = (await vouchers.openEntries("issued", book.id)).filter(isLost);
    if (lost.length === 0) return 0n;
    await vouchers.setEntries("issued", book.id, lost, "forfeited");
    const exact = lost.reduce((sum, entry) => sum + entry.exact, 0n);
    book.ledger.forfeit(exact);
    return exact;
  });
}
