import { exactPerBaseUnit } from "@leat/sdk/protocol/units.ts";

/** Seconds of work that a new payer pays ahead. */
export const PREPAY_SECONDS = 10n;
/** Seconds of work beyond the hold-back that are always on credit, so that a silent balancer does not stop a stream. */
export const CREDIT_SECONDS = 60n;

/** Work stops when what is promised covers less than so much more of it: what is under way must still be paid. */
export const RUNWAY_SECONDS = 10n;

export interface CreditFacts {
  /** Sum over the payer's open jobs, at their quoted prices. */
  readonly exactPerSecond: bigint;
  /** Sum over the payer's open jobs of what may wait for checks. */
  readonly holdBackExact: bigint;
  /** Everything that this payer's vouchers covered and the chain paid, in whatever session, since ever. */
  readonly paidExact: bigint;
}

export interface CreditRules {
  /** Millionths of the paid history that are added to the limit. */
  readonly growthPpm: number;
  /** The limit grows to at most so many times the least one. */
  readonly maxFactor: number;
}

/** A tenth of what was paid is lent again, up to four times the least limit: a payer that defaults never gains by it. */
export const defaultCreditRules: CreditRules = { growthPpm: 100_000, maxFactor: 4 };

/** The least limit: the hold-back plus 60 s at the quoted price. */
export function leastCreditExact(facts: Pick<CreditFacts, "exactPerSecond" | "holdBackExact">): bigint {
  return facts.holdBackExact + CREDIT_SECONDS * facts.exactPerSecond;
}

/**
 * How much work may stand unpaid. Example: 100 a second, hold-back 200, nothing paid: 200 + 60 * 100 = 6,200. After
 * 30,000 paid: 9,200. After a million: 24,800, four times the least.
 */
export function creditLimitExact(facts: CreditFacts, rules: CreditRules = defaultCreditRules): bigint {
  const least = leastCreditExact(facts);
  const grown = least + (facts.paidExact * BigInt(rules.growthPpm)) / 1_000_000n;
  const most = least * BigInt(rules.maxFactor);
  if (grown <= least) return least;
  return grown < most ? grown : most < least ? least : most;
}

/** 10 s at the quoted price in whole base units, rounded up, so that even the cheapest job proves that its payer can sign. */
export function prepayBaseUnits(exactPerSecond: bigint, decimals: number): bigint {
  const one = exactPerBaseUnit(decimals);
  const amount = (PREPAY_SECONDS * exactPerSecond + one - 1n) / one;
  return amount > 0n ? amount : 1n;
}

/** A window of segments at the quoted price. */
export function holdBackExact(exactPerSecond: bigint, segmentMs: number, windowSegments: number): bigint {
  return (exactPerSecond * BigInt(Math.ceil(segmentMs)) * BigInt(windowSegments)) / 1_000n;
}

/** What of a channel's reserve is still free to promise. Only confirmed and unthawing reserve is passed in. */
export function freeReserve(state: {
  readonly reserve: bigint;
  readonly vouchered: bigint;
  readonly collected: bigint;
}): bigint {
  const outstanding = state.vouchered > state.collected ? state.vouchered - state.collected : 0n;
  return state.reserve > outstanding ? state.reserve - outstanding : 0n;
}
