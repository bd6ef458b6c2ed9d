import { exactPerBaseUnit, formatAmount } from "@leat/sdk/protocol/units.ts";

/** A second of video costs millionths of a token: fewer digits would show nothing. */
const COST_DECIMALS = 9;

/** A cost in whole tokens, of 10^-30 of one; rounded up. */
export function formatCost(exact: bigint): string {
  return formatRounded(exact, COST_DECIMALS, true);
}

/**
 * Costs that are shown beside their sum, which is rounded up as one: what is shown adds up. Of three times 0.4 of the last
 * digit, which are 1.2 and shown as 2, the first and the third are shown as 1 and the second as 0.
 */
export function formatCosts(amounts: readonly bigint[]): string[] {
  const unit = exactPerBaseUnit(COST_DECIMALS);
  let sum = 0n;
  return amounts.map((exact) => {
    const before = roundUp(sum, unit);
    sum += exact;
    return formatAmount(roundUp(sum, unit) - before, COST_DECIMALS);
  });
}

/** Whole tokens of 10^-30 of one, with so many digits behind the point. */
export function formatRounded(exact: bigint, decimals: number, isUp: boolean): string {
  const unit = exactPerBaseUnit(decimals);
  return formatAmount(isUp ? roundUp(exact, unit) : exact / unit, decimals);
}

function roundUp(exact: bigint, unit: bigint): bigint {
  return (exact + unit - 1n) / unit;
}
