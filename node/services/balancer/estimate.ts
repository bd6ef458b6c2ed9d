import { type Prices, pixelUnits } from "@leat/sdk/protocol/job.ts";
import { guessUnitsPerSecond, type WantedRenditions } from "./renditions.ts";

/** What a stream will cost its buyer, exact; a guess where it depends on a source that nobody has seen yet. */
export interface CostEstimate {
  readonly ingestPerMinuteExact: bigint;
  /** All rungs, of pictures of 16:9, 30 a second where a rung does not say it. */
  readonly transcodePerMinuteExact: bigint;
  readonly deliveryPerGigabyteExact: bigint;
  /** Most that delivery costs in all: the budget for viewers that cannot sign. */
  readonly deliveryMostExact: bigint;
}

/** What its buyer should know of a stream that was made all the same. */
export type StreamWarning =
  /** No node stands in the region; `regions` are those that have one. */
  | { readonly code: "STREAM_REGION_EMPTY"; readonly region: string; readonly regions: readonly string[] }
  /** The budget is worth more than is reserved: the reserve ends first. */
  | { readonly code: "STREAM_BUDGET_ABOVE_RESERVE"; readonly budgetExact: bigint; readonly reserveExact: bigint }
  /** Nobody signs vouchers for the buyer now: no publisher is let in before somebody does. */
  | { readonly code: "STREAM_AGENT_ABSENT" };

const SECONDS = 60n;
const GIGABYTE = 1_000_000_000n;

/**
 * At the dearest prices that the stream may be charged. A source of 60 pictures a second costs twice as much where no
 * rung bounds it. Example: 480p of H.264 at
 * 2 * 10^-12 a pixel is 853.33 x 480 x 30 = 12,288,000 pixels a second, so 0.00147456 a minute.
 */
export function estimateCost(wanted: WantedRenditions, retail: Prices, budgetBytes: bigint): CostEstimate {
  const { deliveredByte: perByte = 0n, ...worked } = retail;
  const units = guessUnitsPerSecond(wanted);
  const perMinute = (unit: keyof typeof worked) => (worked[unit] ?? 0n) * (units.get(unit) ?? 0n) * SECONDS;
  return {
    ingestPerMinuteExact: perMinute("ingestMs"),
    transcodePerMinuteExact: Object.values(pixelUnits).reduce((sum, unit) => sum + perMinute(unit), 0n),
    deliveryPerGigabyteExact: perByte * GIGABYTE,
    deliveryMostExact: perByte * budgetBytes,
  };
}

export interface WarnedOf {
  readonly region: string | undefined;
  /** Where nodes of the cluster stand. */
  readonly regions: readonly string[];
  readonly budgetExact: bigint;
  readonly reserveExact: bigint;
  /** Somebody is in session who signs vouchers for the buyer. */
  readonly hasAgent: boolean;
}

export function findWarnings({ region, regions, budgetExact, reserveExact, hasAgent }: WarnedOf): StreamWarning[] {
  const known = [...new Set(regions)].sort();
  return [
    ...(region === undefined || known.includes(region)
      ? []
      : [{ code: "STREAM_REGION_EMPTY", region, regions: known } as const]),
    ...(budgetExact <= reserveExact
      ? []
      : [{ code: "STREAM_BUDGET_ABOVE_RESERVE", budgetExact, reserveExact } as const]),
    ...(hasAgent ? [] : [{ code: "STREAM_AGENT_ABSENT" } as const]),
  ];
}
