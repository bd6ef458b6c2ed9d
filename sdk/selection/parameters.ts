import { CodedError } from "../base/errors.ts";
import type { Primitive } from "../protocol/job.ts";

/** The numbers of the rule. They are published with every decision, so that anyone recomputes with the same ones. */
export interface SelectionParameters {
  /** Tickets drawn. A node may hold several of them. */
  readonly draw: number;
  /** Stake below which an operator gets nothing, LPT base units. */
  readonly minimumStake: bigint;
  /** Capacity that one whole LPT of stake backs. */
  readonly capacityPerToken: Readonly<Record<Primitive, number>>;
  /** Share of decisions for new nodes and for those on probation, thousandths. */
  readonly newPermille: number;
  readonly probationPermille: number;
  /** The price that costs 10,000 points, exact, per primitive. */
  readonly referencePrice: Readonly<Record<Primitive, bigint>>;
  readonly pointsPerRttMs: number;
  readonly pointsPerDistance: number;
  /** Points of a node under full load. */
  readonly pointsOfLoad: number;
  /** Points of a node that never did good work. */
  readonly pointsOfReputation: number;
  /** Points of a node that does not hold the stream yet. */
  readonly pointsOfFetching: number;
}

/**
 * Reference prices are those of the demo network in USDC. 10,000 points are the whole of a usual price, so that ten
 * per cent of price weighs as much as 100 ms of round trip, half a unit of load or two points of reputation.
 */
export const defaultParameters: SelectionParameters = {
  draw: 3,
  minimumStake: 10n ** 18n,
  capacityPerToken: {
    ingest: 1,
    transcode: 10_000_000,
    storage: 1_000_000_000,
    delivery: 1_000_000,
  },
  newPermille: 50,
  probationPermille: 200,
  referencePrice: {
    ingest: 10n ** 22n,
    transcode: 2n * 10n ** 18n,
    storage: 10n ** 9n,
    delivery: 5n * 10n ** 18n,
  },
  pointsPerRttMs: 10,
  pointsPerDistance: 1_000,
  pointsOfLoad: 2_000,
  pointsOfReputation: 50_000,
  pointsOfFetching: 1_000,
};

export class SelectionError extends CodedError<
  | { code: "SELECTION_TABLE_TOO_LARGE"; rows: number; maxRows: number }
  | { code: "SELECTION_ROW_TWICE"; node: string }
  | { code: "SELECTION_NUMBER_INVALID"; field: string; value: number }
  | { code: "SELECTION_CHAIN_SPENT"; length: number }
> {}

/**
 * Weights are plain integers and their sum must stay exact below 2^53: 2^38 of weight times 2^15 rows. A capacity
 * beyond 2^38 (275 billion bytes a second) counts as that.
 */
export const MAX_WEIGHT = 2 ** 38;
export const MAX_TABLE_ROWS = 2 ** 15;

// Load is let in again only well below where it was shut out, or a node at the edge would flap.
const SHUT_AT_PERMILLE = 800;
const OPEN_AT_PERMILLE = 700;

/** Whether a node counts as overloaded after its next heartbeat. */
export function nextOverloaded(overloaded: boolean, loadPermille: number): boolean {
  return overloaded ? loadPermille > OPEN_AT_PERMILLE : loadPermille >= SHUT_AT_PERMILLE;
}
