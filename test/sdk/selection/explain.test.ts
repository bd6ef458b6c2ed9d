import assert from "node:assert/strict";
import type { Hex } from "../../../sdk/protocol/hex.ts";
import { explain } from "../../../sdk/selection/explain.ts";
import { defaultParameters } from "../../../sdk/selection/parameters.ts";
import { bodyFromText, bodyToText, createBody, createReceipt, hashBody } from "../../../sdk/selection/receipt.ts";
import { createSeedChain, deriveSeed } from "../../../sdk/selection/seed.ts";
import { select } from "../../../sdk/selection/selection.ts";
import { createTable } from "../../../sdk/selection/table.ts";
import { addressOf, makeCandidate, makeRequest } from "../../support/candidates.ts";

const word = (byte: number): Hex => `0x${byte.toString(16).padStart(2, "0").repeat(32)}`;

function decide() {
  const rows = [1, 2, 3, 4, 5, 6].map((number) => makeCandidate(number, { rttMs: number }));
  const table = createTable(rows, defaultParameters);
  const chain = createSeedChain(new Uint8Array(32).fill(3), 8);
  const seed = { epoch: 1, index: 2, preimage: chain.preimage(2), buyerNonce: word(4) };
  const request = makeRequest({ excluded: [{ node: addressOf(1), reason: "ingest" }] });
  const facts = {
    job: word(5),
    attempt: 1,
    cluster: 1n,
    seed,
    request,
    parameters: defaultParameters,
    decidedAt: 1_700_000_000n,
  };
  const derived = deriveSeed(seed.preimage, seed.buyerNonce, facts.job, facts.attempt);
  const selection = select({ table, request, seed: derived, parameters: defaultParameters });
  const body = createBody(facts, selection);
  return { rows, anchor: chain.anchor, body, receipt: createReceipt(facts, selection, body), selection };
}

describe("explain", () => {
  it("comes to the same winner from what was published", () => {
    const { rows, anchor, body, receipt, selection } = decide();
    const read = bodyFromText(bodyToText(body));
    const explanation = explain({ rows: [...rows].reverse(), anchor, body: read, receipt });
    assert.ok(explanation.agrees);
    assert.equal(explanation.selection.winner, receipt.winner);
    assert.deepEqual(explanation.selection, selection);
  });

  it("names what does not agree", () => {
    const { rows, anchor, body, receipt } = decide();
    const mismatchOf = (changes: Partial<Parameters<typeof explain>[0]>) => {
      const explanation = explain({ rows, anchor, body, receipt, ...changes });
      return explanation.agrees ? undefined : explanation.mismatch;
    };
    const rehash = (changes: Partial<typeof body>) => {
      const altered = { ...body, ...changes };
      return { body: altered, receipt: { ...receipt, bodyHash: hashBody(altered) } };
    };
    assert.equal(mismatchOf({ body: { ...body, passed: 1 } }), "SELECTION_BODY_MISMATCH");
    assert.equal(mismatchOf({ receipt: { ...receipt, seed: word(9) } }), "SELECTION_SEED_MISMATCH");
    assert.equal(mismatchOf({ anchor: word(9) }), "SELECTION_CHAIN_MISMATCH");
    assert.equal(mismatchOf({ rows: rows.slice(1) }), "SELECTION_TABLE_MISMATCH");
    assert.equal(mismatchOf(rehash({ passed: 1 })), "SELECTION_FILTERS_MISMATCH");
    assert.equal(mismatchOf(rehash({ drawn: body.drawn.slice(1) })), "SELECTION_DRAW_MISMATCH");
    assert.equal(mismatchOf({ receipt: { ...receipt, winner: addressOf(6) } }), "SELECTION_WINNER_MISMATCH");
  });
});
