import { type Static, Type } from "typebox";
import { parseEther, parseGwei } from "viem";

const amount = { pattern: "^[0-9]{1,9}(\\.[0-9]{1,18})?$" };

export const gasOptions = Type.Object(
  {
    maxFeeGwei: Type.String({
      ...amount,
      default: "200",
      description: "The most that a unit of gas may cost, gwei; dearer transactions wait",
    }),
    maxTipGwei: Type.String({
      ...amount,
      default: "5",
      description: "The most of it that goes to who makes the block, gwei",
    }),
    dailyBudgetEther: Type.String({
      ...amount,
      default: "0.5",
      description: "The most that this node's key spends for gas in 24 hours, ether; payments by HTTP have their own",
    }),
    lowBalanceEther: Type.String({
      ...amount,
      default: "0.01",
      description: "A balance for gas below this is warned of, ether",
    }),
    highBalanceEther: Type.String({
      ...amount,
      default: "1",
      description: "A balance above this is warned of: it is more than gas needs, and lost with the key, ether",
    }),
    stuckAfterMs: Type.Integer({
      default: 60_000,
      minimum: 100,
      maximum: 3_600_000,
      description: "A transaction in no block for so long is sent again with higher fees, milliseconds",
    }),
  },
  { default: {}, additionalProperties: false },
);

export interface GasLimits {
  readonly maxFee: bigint;
  readonly maxTip: bigint;
  readonly dailyBudget: bigint;
  readonly lowBalance: bigint;
  readonly highBalance: bigint;
  readonly stuckAfterMs: number;
}

/** The settings in wei. */
export function gasLimits(options: Static<typeof gasOptions>): GasLimits {
  return {
    maxFee: parseGwei(options.maxFeeGwei),
    maxTip: parseGwei(options.maxTipGwei),
    dailyBudget: parseEther(options.dailyBudgetEther),
    lowBalance: parseEther(options.lowBalanceEther),
    highBalance: parseEther(options.highBalanceEther),
    stuckAfterMs: options.stuckAfterMs,
  };
}

export interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

/**
 * Room for six full blocks of rising base fee, within the ceiling. Undefined when the ceiling is below the base fee: no
 * block would take it.
 */
export function firstFees(baseFee: bigint, suggestedTip: bigint, limits: GasLimits): Fees | undefined {
  if (baseFee > limits.maxFee) return undefined;
  const tip = least(suggestedTip, limits.maxTip);
  const maxFeePerGas = least(2n * baseFee + tip, limits.maxFee);
  return { maxFeePerGas, maxPriorityFeePerGas: least(tip, maxFeePerGas) };
}

/**
 * What replaces `old`: an eighth more of both, since nodes take no replacement for less than a tenth, and what the chain
 * asks now if that is more. Undefined when the ceiling does not allow it.
 */
export function higherFees(old: Fees, baseFee: bigint, suggestedTip: bigint, limits: GasLimits): Fees | undefined {
  const now = firstFees(baseFee, suggestedTip, limits);
  const maxFeePerGas = most(raised(old.maxFeePerGas), now?.maxFeePerGas ?? 0n);
  if (maxFeePerGas > limits.maxFee) return undefined;
  // The tip has to rise too, past its own limit if need be: the ceiling of the whole still holds.
  const maxPriorityFeePerGas = least(
    most(raised(old.maxPriorityFeePerGas), now?.maxPriorityFeePerGas ?? 0n),
    maxFeePerGas,
  );
  return { maxFeePerGas, maxPriorityFeePerGas };
}

function raised(fee: bigint): bigint {
  return (fee * 9n + 7n) / 8n + 1n;
}

function least(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function most(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
