/** Why a channel's voucher is presented on chain now. */
export type CollectReason = "job-ended" | "half-of-reserve" | "reserve-nearly-used" | "thaw-started" | "age";

/**
 * Why it is not. `not-worth-gas`: there is a reason, and the gas would eat too much of it. `below-gas`: there is danger,
 * and even so the gas would cost more than it brings. `gas-dear`: worth it, and cheaper a little later.
 */
export type WaitReason = "nothing-open" | "no-reason" | "not-worth-gas" | "below-gas" | "gas-dear";

export type CollectDecision = { readonly collect: CollectReason } | { readonly wait: WaitReason };

export interface CollectFacts {
  /** Total of the newest held voucher, base units. */
  readonly vouchered: bigint;
  /** Total that the chain paid or that a transaction of ours under way will pay. */
  readonly collected: bigint;
  /** Confirmed and not thawing. */
  readonly reserve: bigint;
  readonly thawing: bigint;
  /** A job of this channel ended and has its final voucher. */
  readonly jobEnded: boolean;
  /** Since the first amount that is not collected was vouchered. */
  readonly uncollectedForMs: number;
}

export interface CollectRules {
  readonly maxAgeMs: number;
  /** After so long neither a spike nor a poor ratio postpones any more: whatever covers its own gas is collected. */
  readonly maxPostponeMs: number;
  /** Part of the reserve that is owed, millionths, from which on neither of them postpones either. */
  readonly urgentPpm: number;
  /** Gas may cost at most this part of what it brings, millionths. */
  readonly gasPpm: number;
  /** A price of gas above so much of the usual one is a spike, millionths. */
  readonly spikePpm: number;
}

/** Wei for one unit of gas: now, and in the middle of the last looks. */
export interface GasPrice {
  readonly now: bigint;
  readonly usual: bigint;
}

/** What gas costs in a channel's token. */
export interface TokenValue {
  /** Base units that 10^18 wei are worth; undefined where no price is known. */
  readonly perNative: bigint | undefined;
  /** Base units below which nothing is worth a transaction: what decides where no price is known. */
  readonly leastAmount: bigint;
}

/** Gas of a batch and of each claim in it, steady state, as contracts/snapshots/gas.json has them, rounded up. */
const GAS_PER_BATCH = 48_000n;
const GAS_PER_CLAIM = 14_000n;
/**
 * At worst, for the size of a batch alone: first payments write new slots, and a token may be slow to move. A fifth of
 * margin is in both, and what is spare for a claim in the second.
 */
const WORST_GAS_PER_BATCH = 120_000n;
const WORST_GAS_PER_CLAIM = 184_000n;
const ONE = 1_000_000n;
const NATIVE = 10n ** 18n;

/** Gas of one claim that shares its transaction with `claims - 1` others. */
export function gasOfClaim(claims: number): bigint {
  const count = BigInt(Math.max(1, claims));
  return GAS_PER_CLAIM + (GAS_PER_BATCH + count - 1n) / count;
}

/** What so much gas costs in a token, base units, rounded up; undefined where no price is known. */
export function costInToken(gas: bigint, weiPerGas: bigint, { perNative }: TokenValue): bigint | undefined {
  return perNative === undefined ? undefined : (gas * weiPerGas * perNative + NATIVE - 1n) / NATIVE;
}

/** Whether so much gas costs at most `gasPpm` millionths of an amount; also where no price is known. */
export function isCheapFor(amount: bigint, gas: bigint, weiPerGas: bigint, token: TokenValue, gasPpm: number): boolean {
  const cost = costInToken(gas, weiPerGas, token) ?? 0n;
  return cost * ONE <= amount * BigInt(gasPpm);
}

/** The least amount that `isCheapFor` takes, base units. */
export function leastWorth(gas: bigint, weiPerGas: bigint, token: TokenValue, gasPpm: number): bigint {
  const ppm = BigInt(gasPpm);
  return ((costInToken(gas, weiPerGas, token) ?? 0n) * ONE + ppm - 1n) / ppm;
}

/** What a transaction pays in one token, base units. */
export interface Payment {
  readonly paid: bigint;
  readonly token: TokenValue;
}

/**
 * Whether a transaction is worth its gas by what a simulation says it pays: together more than the gas where prices are
 * known, or the least amount in a token without a price. What is open says nothing here: after a bounce it stays large.
 */
export function isWorthGas(payments: readonly Payment[], gas: bigint, weiPerGas: bigint): boolean {
  let wei = 0n;
  for (const { paid, token } of payments) {
    if (token.perNative !== undefined) wei += (paid * NATIVE) / token.perNative;
    else if (paid > 0n && paid >= token.leastAmount) return true;
  }
  return wei > gas * weiPerGas;
}

/** The reason to collect, if there is one, whatever it costs. */
export function reasonToCollect(facts: CollectFacts, rules: CollectRules): CollectReason | undefined {
  const open = facts.vouchered - facts.collected;
  if (open <= 0n) return undefined;
  if (facts.thawing > 0n) return "thaw-started";
  if (open * ONE >= facts.reserve * BigInt(rules.urgentPpm)) return "reserve-nearly-used";
  if (facts.jobEnded) return "job-ended";
  if (open * 2n >= facts.reserve) return "half-of-reserve";
  return facts.uncollectedForMs >= rules.maxAgeMs ? "age" : undefined;
}

/**
 * Whether a channel's voucher is worth its gas now, as one of `claims` in a transaction.
 *
 * Example: USDC (6 decimals) at 3,000 USDC for a whole native token, gas at 0.05 gwei as on a rollup, a batch of ten.
 * A claim takes 14,000 + 4,800 = 18,800 gas, which is 18,800 * 5 * 10^7 wei * 3,000 * 10^6 / 10^18 = 2,820 base units:
 * 0.00282 USDC. With gas at most a tenth of what it brings, 0.03 USDC are collected at the job's end, after `maxAgeMs` or
 * at half of the reserve; 0.02 USDC wait. Gas goes to 1 gwei: the claim costs 0.0564 USDC, so 0.564 would do by ratio,
 * but twenty times the usual price is a spike, and they wait. The payer starts to thaw: 0.06 USDC are collected at once,
 * 0.05 never, since the gas would cost more than they are.
 */
export function decideToCollect(
  facts: CollectFacts,
  claims: number,
  price: GasPrice,
  token: TokenValue,
  rules: CollectRules,
): CollectDecision {
  const open = facts.vouchered - facts.collected;
  // Nothing to gain is never a reason: gas is not paid twice for one voucher.
  if (open <= 0n) return { wait: "nothing-open" };
  const reason = reasonToCollect(facts, rules);
  if (reason === undefined) return { wait: "no-reason" };
  const cost = costInToken(gasOfClaim(claims), price.now, token);
  const isOverdue = facts.uncollectedForMs >= rules.maxPostponeMs;
  if (reason === "thaw-started" || reason === "reserve-nearly-used" || isOverdue) {
    const covers = cost === undefined ? open >= token.leastAmount : open > cost;
    return covers ? { collect: reason } : { wait: "below-gas" };
  }
  const isWorth = open >= token.leastAmount && (cost === undefined || cost * ONE <= open * BigInt(rules.gasPpm));
  if (!isWorth) return { wait: "not-worth-gas" };
  const isSpike = price.now * ONE > price.usual * BigInt(rules.spikePpm);
  return isSpike ? { wait: "gas-dear" } : { collect: reason };
}

export interface Claimable {
  readonly facts: CollectFacts;
  readonly token: TokenValue;
}

/**
 * Decides for many channels at once. Those that go share the transaction's own gas, so each that stays behind makes the
 * others dearer: they are judged again until none leaves. `most`: claims that fit one transaction.
 */
export function decideTogether<C extends Claimable>(
  claimables: readonly C[],
  most: number,
  price: GasPrice,
  rules: CollectRules,
): ReadonlyMap<C, CollectDecision> {
  let going = claimables.filter(({ facts }) => reasonToCollect(facts, rules) !== undefined).length;
  for (;;) {
    const claims = Math.min(going, most);
    const decisions = new Map(
      claimables.map((one) => [one, decideToCollect(one.facts, claims, price, one.token, rules)]),
    );
    const left = [...decisions.values()].filter((decision) => "collect" in decision).length;
    if (left === going || left === 0) return decisions;
    going = left;
  }
}

/** Claims that one transaction may carry when it must stay within `gasLimit` even at the worst; at least one. */
export function claimsWithin(gasLimit: bigint): number {
  const fits = (gasLimit - WORST_GAS_PER_BATCH) / WORST_GAS_PER_CLAIM;
  return fits < 1n ? 1 : Number(fits > 10_000n ? 10_000n : fits);
}

/** The middle of the prices that were seen: a spike shorter than half of the window does not move it. */
export function usualPrice(seen: readonly bigint[]): bigint {
  const rising = seen.toSorted((left, right) => (left < right ? -1 : left > right ? 1 : 0));
  return rising[rising.length >> 1] ?? 0n;
}
