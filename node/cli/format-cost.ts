import { EXACT_DECIMALS, formatAmount } from "@leat/sdk/protocol/units.ts";

/** A second of video costs millionths of a token: fewer digits would show nothing. */
const COST_DECIMALS = 9;

/** A cost in whole tokens, of 10^-30 of one; rounded up. */
export function formatCost(exact: bigint): string {
  const unit = 10n ** BigInt(EXACT_DECIMALS - COST_DECIMALS);
  return formatAmount((exact + unit - 1n) / unit, COST_DECIMALS);
}
