/** A claim that a payer's escrow could not pay in full, as the escrow's events tell it. */
export interface PayerBounce {
  /** Seconds since 1970, of its block. */
  readonly atSeconds: bigint;
  /** The channel's total was paid later. */
  readonly madeGood: boolean;
}

/** What payers of which nothing is known are believed: as if three bounces' worth of good had been seen. */
const PRIOR = 3_000_000n;
const ONE = 1_000_000n;
const HALF_LIFE_SECONDS = 30n * 86_400n;
/** A bounce that was paid after all weighs a quarter. */
const MADE_GOOD_PART = 4n;

/** What is left of a bounce, millionths: half of it every 30 days, straight lines between. */
export function bounceWeight({ atSeconds, madeGood }: PayerBounce, nowSeconds: bigint): bigint {
  const age = nowSeconds > atSeconds ? nowSeconds - atSeconds : 0n;
  const halves = age / HALF_LIFE_SECONDS;
  if (halves >= 20n) return 0n;
  const before = ONE >> halves;
  const weight = before - ((before / 2n) * (age % HALF_LIFE_SECONDS)) / HALF_LIFE_SECONDS;
  return madeGood ? weight / MADE_GOOD_PART : weight;
}

/**
 * How far a payer's signature is to be trusted, millionths, from bounces alone: a payer that signs no more than its
 * reserve holds never has one, so good work earns nothing that could be bought by paying oneself. Whole numbers, so that
 * everybody who reads the same events comes to the same score.
 *
 * Example: none 1,000,000; one that is fresh 3 / (3 + 1) = 750,000; the same after 30 days 857,142; made good at once
 * 923,076; three fresh ones 500,000.
 */
export function payerScorePpm(bounces: readonly PayerBounce[], nowSeconds: bigint): number {
  const weight = bounces.reduce((sum, bounce) => sum + bounceWeight(bounce, nowSeconds), 0n);
  return Number((ONE * PRIOR) / (PRIOR + weight));
}

export interface PayerPolicy {
  /** Millionths. */
  readonly leastScorePpm: number;
  /** Bounces, of whatever age, that were not made good. */
  readonly maxBounces: number;
}

/** Whether a payer is taken under a policy. */
export function isPayerTaken(bounces: readonly PayerBounce[], nowSeconds: bigint, policy: PayerPolicy): boolean {
  const open = bounces.filter(({ madeGood }) => !madeGood).length;
  return open <= policy.maxBounces && payerScorePpm(bounces, nowSeconds) >= policy.leastScorePpm;
}
