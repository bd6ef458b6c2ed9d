/**
 * A node's good and bad work as a beta score with forgetting. Counts are fixed point, millionths, so that every machine
 * comes to the same score.
 */
export interface Reputation {
  readonly good: bigint;
  readonly bad: bigint;
}

export const noReputation: Reputation = { good: 0n, bad: 0n };

const ONE = 1_000_000n;
/** What is left of old work with each new piece: after 693 pieces it counts half. */
const KEPT = 999_000n;
/** A bad piece weighs as much as so many good ones: checks see only some of what is bad. */
const BAD_WEIGHT = 20n;
/** What is believed of a node before its first work: nine good pieces and one bad. */
const PRIOR_GOOD = 9n * ONE;
const PRIOR_BAD = ONE;

/** The reputation after one more checked piece. */
export function afterWork(before: Reputation, isGood: boolean): Reputation {
  return {
    good: (before.good * KEPT) / ONE + (isGood ? ONE : 0n),
    bad: (before.bad * KEPT) / ONE + (isGood ? 0n : BAD_WEIGHT * ONE),
  };
}

/** Expected share of good work, millionths. Example: unknown 900,000; after one bad piece 300,000. */
export function scorePpm({ good, bad }: Reputation): number {
  const plus = good + PRIOR_GOOD;
  return Number((plus * ONE) / (plus + bad + PRIOR_BAD));
}
