import type { Candidate, SelectionRequest } from "./candidate.ts";
import { dearestPrice } from "./filters.ts";
import type { SelectionParameters } from "./parameters.ts";

/** The terms of the cost, in points; 10,000 points are the whole of a usual price. */
export const costTerms = ["price", "rtt", "distance", "load", "reputation", "fetching"] as const;
export type CostTerm = (typeof costTerms)[number];
export type CostTerms = Readonly<Record<CostTerm, number>>;

export interface Cost {
  readonly terms: CostTerms;
  readonly cost: number;
}

// A term never outgrows exact integers, whatever a node says of itself.
const MAX_TERM = 2 ** 40;

/** One integer that compares nodes of any cluster: the lower the better. */
export function costOf(row: Candidate, request: SelectionRequest, parameters: SelectionParameters): Cost {
  const reference = parameters.referencePrice[request.primitive];
  const price = ((dearestPrice(row, request) ?? 0n) * 10_000n) / (reference > 0n ? reference : 1n);
  const terms: CostTerms = {
    price: price > BigInt(MAX_TERM) ? MAX_TERM : Number(price),
    rtt: Math.min(MAX_TERM, row.rttMs * parameters.pointsPerRttMs),
    distance: distanceBetween(request.nearRegion, row.region) * parameters.pointsPerDistance,
    load: Math.floor((row.loadPermille * parameters.pointsOfLoad) / 1000),
    reputation: Math.floor(((1_000_000 - row.reputationPpm) * parameters.pointsOfReputation) / 1_000_000),
    fetching: request.holders.includes(row.node) ? 0 : parameters.pointsOfFetching,
  };
  return { terms, cost: costTerms.reduce((sum, term) => sum + terms[term], 0) };
}

/** Regions are named from large to small, `eu-west-2`: 0 for the same, 1 for each part that differs from its first. */
export function distanceBetween(from: string | undefined, to: string): number {
  if (from === undefined || from === to) return 0;
  const left = from.split("-");
  const right = to.split("-");
  let same = 0;
  while (same < left.length && same < right.length && left[same] === right[same]) same += 1;
  return Math.min(4, Math.max(left.length, right.length) - same);
}
