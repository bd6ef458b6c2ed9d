import { hashCanonical } from "../protocol/canonical.ts";
import type { Address, Hex } from "../protocol/hex.ts";
import { zeroAddress } from "../protocol/hex.ts";
import type { SelectionReceipt } from "../protocol/signed.ts";
import type { Signed } from "../protocol/statements.ts";
import type { SelectionRequest } from "./candidate.ts";
import type { CostTerms } from "./cost.ts";
import type { FilterCounts, Lane } from "./filters.ts";
import type { SelectionParameters } from "./parameters.ts";
import { deriveSeed } from "./seed.ts";
import type { Selection } from "./selection.ts";
import { fromText, toText } from "./text.ts";

/** Where the seed came from: preimage `index` of the chain that the balancer committed to for `epoch`. */
export interface SeedOrigin {
  readonly epoch: number;
  readonly index: number;
  readonly preimage: Hex;
  readonly buyerNonce: Hex;
}

/** All of a decision but its table: with the table it can be made again. */
export interface SelectionBody {
  readonly version: 1;
  readonly request: SelectionRequest;
  readonly parameters: SelectionParameters;
  readonly seed: SeedOrigin;
  readonly tableSize: number;
  readonly filterCounts: FilterCounts;
  readonly passed: number;
  readonly lane: Lane;
  readonly totalWeight: number;
  readonly drawn: readonly {
    readonly node: Address;
    readonly ticket: number;
    readonly weight: number;
    readonly terms: CostTerms;
    readonly cost: number;
  }[];
}

/** What a balancer stores, signs and shows for each decision. Its id is the digest of the signed part. */
export interface SignedSelection {
  readonly receipt: Signed<SelectionReceipt>;
  readonly body: SelectionBody;
}

export interface DecisionFacts {
  readonly job: Hex;
  readonly attempt: number;
  readonly cluster: bigint;
  readonly seed: SeedOrigin;
  readonly request: SelectionRequest;
  readonly parameters: SelectionParameters;
  /** Seconds since 1970. */
  readonly decidedAt: bigint;
}

export function createBody(facts: DecisionFacts, selection: Selection): SelectionBody {
  return {
    version: 1,
    request: facts.request,
    parameters: facts.parameters,
    seed: facts.seed,
    tableSize: selection.tableSize,
    filterCounts: selection.filterCounts,
    passed: selection.passed,
    lane: selection.lane,
    totalWeight: selection.totalWeight,
    drawn: selection.ranked,
  };
}

/** The statement that the balancer signs over a decision. */
export function createReceipt(facts: DecisionFacts, selection: Selection, body: SelectionBody): SelectionReceipt {
  return {
    job: facts.job,
    attempt: facts.attempt,
    cluster: facts.cluster,
    seed: deriveSeed(facts.seed.preimage, facts.seed.buyerNonce, facts.job, facts.attempt),
    tableRoot: selection.tableRoot,
    bodyHash: hashBody(body),
    winner: selection.winner ?? zeroAddress,
    decidedAt: facts.decidedAt,
  };
}

export function hashBody(body: SelectionBody): Hex {
  return hashCanonical("leat.selection.1", body);
}

export function bodyToText(body: SelectionBody): string {
  return toText(body);
}

/** Trusts nothing of the text but its shape: `explain` compares its hash before it is believed. */
export function bodyFromText(text: string): SelectionBody {
  return fromText(text) as SelectionBody;
}
