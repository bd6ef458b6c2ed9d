import { exactPerBaseUnit, formatAmount } from "@leat/sdk/protocol/units.ts";

/** A second of video costs millionths of a token: fewer digits would show nothing. */
const COST_DECIMALS = 9;

/** A cost in whole tokens, of 10^-30 of one; rounded up. */
export function formatCost(exact: bigint): string {
  return formatRounded(exact, COST_DECIMALS, true);
}

/** Whole tokens of 10^-30 of one, with so many digits behind the point. */
export function formatRounded(exact: bigint, decimals: number, isUp: boolean): string {
  const unit = exactPerBaseUnit(decimals);
  return formatAmount((exact + (isUp ? unit - 1n : 0n)) / unit, decimals);
}
