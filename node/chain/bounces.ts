import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";

/** A claim that the escrow could not pay in full, from its event. */
export interface BounceEvent {
  readonly channel: Hex;
  readonly payer: Address;
  readonly payee: Address;
  /** Base units. */
  readonly missing: bigint;
  /** The channel's total that was claimed. */
  readonly total: bigint;
  readonly blockNumber: bigint;
  readonly transaction: Hex;
}

export interface Bounce extends BounceEvent {
  /** Seconds since 1970, of its block. */
  readonly atSeconds: bigint;
  /** The claimed total was paid later. */
  readonly madeGood: boolean;
}

/** Kept of one channel, newest last: what counts is that there are many, not how many hundred. */
const MOST_OF_CHANNEL = 32;

/**
 * One more bounce of a channel of which so much was collected. What a payer owes on a channel is one debt, the larger total
 * of which includes the smaller: while it is not made good, whatever else bounces there is the same bounce. Otherwise a
 * payee that held vouchers of 32 totals could present them one by one, or anybody who saw them, and spoil a payer's name.
 */
export function withBounce(
  known: readonly BounceEvent[],
  next: BounceEvent,
  collected: bigint,
): readonly BounceEvent[] {
  const debt = known.find(({ total }) => total > collected);
  if (debt === undefined) {
    // Made good since: presented again, it is no new bounce.
    if (known.some(({ total }) => total === next.total)) return known;
    return [...known, next].slice(-MOST_OF_CHANNEL);
  }
  if (next.total <= debt.total) return known;
  const { missing, total } = next;
  const { blockNumber, transaction } = debt;
  return known.map((bounce) => (bounce === debt ? { ...next, missing, total, blockNumber, transaction } : bounce));
}
