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
 * One more bounce of a channel. The same total may be presented again and again while the escrow stays short, by the
 * payee or by anybody who saw it: that is one bounce, or a payee could spoil a payer's name at will.
 */
export function withBounce(known: readonly BounceEvent[], next: BounceEvent): readonly BounceEvent[] {
  if (known.some(({ total }) => total === next.total)) return known;
  return [...known, next].slice(-MOST_OF_CHANNEL);
}
