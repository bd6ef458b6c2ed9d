import {
  type EntryKey,
  entryName,
  type LedgerEntry,
  type VoucherSide,
  type VoucherStore,
} from "@leat/node/metering/voucher-store.ts";
import type { Book } from "./channel-book.ts";

/** Open work of one side of a channel that will never be paid, but for what stands in a voucher that is on its way. Answers what it was worth, exact. */
export function writeOff(
  vouchers: VoucherStore,
  side: VoucherSide,
  book: Book,
  isLost: (entry: LedgerEntry) => boolean,
): Promise<bigint> {
  // Never beside a voucher that is being signed or taken over it, nor twice.
  return book.mutex.run(async () => {
    const newest = await vouchers.newest(side, book.id);
    const signed = new Set(newest?.acknowledged === false ? newest.receiptHashes : []);
    const open = (await vouchers.openEntries(side, book.id)).filter(({ receiptHash }) => !signed.has(receiptHash));
    const lost = open.filter(isLost);
    if (lost.length === 0) return 0n;
    await vouchers.setEntries(side, book.id, lost, "forfeited");
    const exact = lost.reduce((sum, entry) => sum + entry.exact, 0n);
    book.ledger.forfeit(exact);
    return exact;
  });
}

/** Whether an entry is one of these, and waits. */
export function isWaitingOf(keys: readonly EntryKey[]): (entry: LedgerEntry) => boolean {
  const names = new Set(keys.map(entryName));
  return (entry) => entry.state === "waiting" && names.has(entryName(entry));
}
