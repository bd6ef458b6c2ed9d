import assert from "node:assert/strict";
import { defaultParameters, SelectionError } from "../../../sdk/selection/parameters.ts";
import { createTable, proveCandidate, verifyCandidate } from "../../../sdk/selection/table.ts";
import { addressOf, makeCandidate } from "../../support/candidates.ts";

describe("candidate table", () => {
  it("has one root whatever the order of the rows", () => {
    const rows = [1, 2, 3, 4, 5].map((number) => makeCandidate(number));
    const table = createTable(rows, defaultParameters);
    assert.equal(createTable([...rows].reverse(), defaultParameters).root, table.root);
    assert.notEqual(createTable(rows.slice(1), defaultParameters).root, table.root);
  });

  it("proves each row and no altered one", () => {
    const table = createTable(
      [1, 2, 3, 4, 5].map((number) => makeCandidate(number)),
      defaultParameters,
    );
    for (const row of table.rows) {
      const leaf = proveCandidate(table, row.node)!;
      assert.ok(verifyCandidate(table.root, leaf));
      assert.ok(!verifyCandidate(table.root, { ...leaf, row: { ...row, rttMs: row.rttMs + 1 } }));
      assert.ok(!verifyCandidate(table.root, { ...leaf, index: leaf.index + 1 }));
    }
    assert.equal(proveCandidate(table, addressOf(77)), undefined);
  });

  it("weighs by what is free alone where no stake is asked for", () => {
    const rows = [1, 2].map((number) => ({ ...makeCandidate(number), stake: 0n }));
    const weights = (minimumStake: bigint) => [
      ...createTable(rows, { ...defaultParameters, minimumStake }).backed.transcode,
    ];
    assert.deepEqual(weights(1n), [0, 0]);
    assert.deepEqual(
      weights(0n),
      createTable(rows, defaultParameters).rows.map(({ free }) => free.transcode),
    );
    assert.ok(weights(0n).every((weight) => weight > 0));
  });

  it("refuses a node that stands in it twice", () => {
    assert.throws(
      () => createTable([makeCandidate(1), makeCandidate(1)], defaultParameters),
      (error) => error instanceof SelectionError && error.code === "SELECTION_ROW_TWICE",
    );
  });
});
