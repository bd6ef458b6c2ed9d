import { type Fees, type GasLimits, higherFees } from "./fees.ts";
import { costAtMost, isEmpty, type Outgoing, type TransactionBook } from "./transaction-book.ts";

/** What a stuck transaction is replaced by: itself with higher fees, or an empty one under its nonce. */
export type Replacement = { readonly fees: Fees } & (
  | { readonly how: "raise" }
  | { readonly how: "empty"; gas: bigint }
);

export interface StuckFacts {
  readonly outgoing: Outgoing;
  readonly book: TransactionBook;
  readonly nowMs: number;
  readonly baseFee: bigint;
  readonly tip: bigint;
  readonly limits: GasLimits;
  /** Gas of an empty transaction, asked only where one is wanted. */
  readonly emptyGas: () => Promise<bigint>;
  /** Something waits behind it that is not paid from the same budget. */
  readonly isInTheWay: boolean;
}

/**
 * The one place that says what becomes of a transaction that no block takes. Its own budget raises it. Where that is
 * used up, it may wait for the price; but it must not keep what is paid from elsewhere from the chain: then the node's
 * own budget empties its nonce, which is the least that anything costs. Undefined: nothing for now.
 */
export async function chooseReplacement(facts: StuckFacts): Promise<Replacement | undefined> {
  const { outgoing, book, nowMs, limits } = facts;
  const newest = outgoing.forms.at(-1)!;
  const fees = higherFees(newest, facts.baseFee, facts.tip, limits);
  if (fees === undefined) return undefined;
  const { budget, nonce } = outgoing;
  if (!isEmpty(newest)) {
    const raised = { ...outgoing, forms: [{ ...newest, ...fees }] };
    const wanted = book.committed(nowMs, budget, nonce) + costAtMost(raised, budget);
    if (wanted <= (budget?.daily ?? limits.dailyBudget)) return { how: "raise", fees };
    if (budget === undefined || !facts.isInTheWay) return undefined;
  }
  const gas = await facts.emptyGas();
  const wanted = book.committed(nowMs, undefined, nonce) + gas * fees.maxFeePerGas;
  return wanted <= limits.dailyBudget ? { how: "empty", gas, fees } : undefined;
}
