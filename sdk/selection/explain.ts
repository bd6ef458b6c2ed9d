import { canonicalText } from "../protocol/canonical.ts";
import type { Hex } from "../protocol/hex.ts";
import { zeroAddress } from "../protocol/hex.ts";
import type { SelectionReceipt } from "../protocol/signed.ts";
import type { Candidate } from "./candidate.ts";
import { createBody, hashBody, type SelectionBody } from "./receipt.ts";
import { deriveSeed, verifyPreimage } from "./seed.ts";
import { type Selection, select } from "./selection.ts";
import { createTable } from "./table.ts";

/** What does not agree, in the order of looking. */
export type Mismatch =
  | "SELECTION_BODY_MISMATCH"
  | "SELECTION_SEED_MISMATCH"
  | "SELECTION_CHAIN_MISMATCH"
  | "SELECTION_TABLE_MISMATCH"
  | "SELECTION_FILTERS_MISMATCH"
  | "SELECTION_DRAW_MISMATCH"
  | "SELECTION_WINNER_MISMATCH";

export interface ExplainInput {
  readonly receipt: SelectionReceipt;
  readonly body: SelectionBody;
  readonly rows: readonly Candidate[];
  /** The anchor of the epoch's SeedCommit, where it is at hand. */
  readonly anchor?: Hex;
}

export type Explanation =
  | { readonly agrees: true; readonly selection: Selection }
  | { readonly agrees: false; readonly mismatch: Mismatch; readonly selection?: Selection };

/** Makes the decision again from what the balancer published and says whether it comes out the same. */
export function explain({ receipt, body, rows, anchor }: ExplainInput): Explanation {
  if (hashBody(body) !== receipt.bodyHash) return { agrees: false, mismatch: "SELECTION_BODY_MISMATCH" };
  const { preimage, buyerNonce, index } = body.seed;
  const seed = deriveSeed(preimage, buyerNonce, receipt.job, receipt.attempt);
  if (seed !== receipt.seed) return { agrees: false, mismatch: "SELECTION_SEED_MISMATCH" };
  if (anchor !== undefined && !verifyPreimage(anchor, index, preimage)) {
    return { agrees: false, mismatch: "SELECTION_CHAIN_MISMATCH" };
  }
  const table = createTable(rows, body.parameters);
  if (table.root !== receipt.tableRoot) return { agrees: false, mismatch: "SELECTION_TABLE_MISMATCH" };
  const selection = select({ table, request: body.request, seed, parameters: body.parameters });
  const mismatch = compare(receipt, body, selection);
  return mismatch === undefined ? { agrees: true, selection } : { agrees: false, mismatch, selection };
}

function compare(receipt: SelectionReceipt, body: SelectionBody, selection: Selection): Mismatch | undefined {
  const again = createBody({ ...receipt, ...body }, selection);
  const differs = (left: unknown, right: unknown) => canonicalText(left) !== canonicalText(right);
  if (differs([again.filterCounts, again.lane, again.passed], [body.filterCounts, body.lane, body.passed])) {
    return "SELECTION_FILTERS_MISMATCH";
  }
  if (differs([again.drawn, again.totalWeight, again.tableSize], [body.drawn, body.totalWeight, body.tableSize])) {
    return "SELECTION_DRAW_MISMATCH";
  }
  if ((selection.winner ?? zeroAddress) !== receipt.winner) return "SELECTION_WINNER_MISMATCH";
  return undefined;
}
