import type { Address, Hex } from "../protocol/hex.ts";
import type { SelectionRequest } from "./candidate.ts";
import { type CostTerms, costOf } from "./cost.ts";
import { type FilterCounts, filterCandidates, type Lane } from "./filters.ts";
import { drawTickets } from "./lottery.ts";
import type { SelectionParameters } from "./parameters.ts";
import { SeedStream } from "./seed.ts";
import type { CandidateTable } from "./table.ts";

/** One of the drawn few. */
export interface DrawnCandidate {
  readonly node: Address;
  readonly ticket: number;
  readonly weight: number;
  readonly terms: CostTerms;
  readonly cost: number;
}

/** A decision with its reasons. */
export interface Selection {
  /** Undefined when nobody passed. */
  readonly winner: Address | undefined;
  /** The drawn few, the cheapest first; of equals the one drawn first. The next one stands in where the winner refuses. */
  readonly ranked: readonly DrawnCandidate[];
  readonly filterCounts: FilterCounts;
  readonly passed: number;
  readonly lane: Lane;
  readonly totalWeight: number;
  readonly tableRoot: Hex;
  readonly tableSize: number;
}

export interface SelectionInput {
  readonly table: CandidateTable;
  readonly request: SelectionRequest;
  readonly seed: Hex;
  readonly parameters: SelectionParameters;
}

/** The balancer's rule: hard filters, a lottery of a few by capacity, the best of them by cost. */
export function select({ table, request, seed, parameters }: SelectionInput): Selection {
  const stream = new SeedStream(seed);
  const { rows, weights, counts, lane } = filterCandidates(table, request, parameters, stream);
  const drawn = drawTickets(weights, parameters.draw, stream).map(({ ticket, index }): DrawnCandidate => {
    const row = table.rows[rows[index]!]!;
    return { node: row.node, ticket, weight: weights[index]!, ...costOf(row, request, parameters) };
  });
  // The sort is stable, so the order of drawing breaks ties.
  const ranked = drawn.sort((left, right) => left.cost - right.cost);
  return {
    winner: ranked[0]?.node,
    ranked,
    filterCounts: counts,
    passed: rows.length,
    lane,
    totalWeight: weights.reduce((sum, weight) => sum + weight, 0),
    tableRoot: table.root,
    tableSize: table.rows.length,
  };
}
