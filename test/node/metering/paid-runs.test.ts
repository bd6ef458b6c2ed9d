import assert from "node:assert/strict";
import fc from "fast-check";
import { addPaid, CLOSED, type PaidRun, paidAttempt } from "../../../node/metering/paid-runs.ts";

describe("paid runs of a job", () => {
  it("are the worked example", () => {
    const four = [{ first: 1n, last: 4n, attempt: 1 }];
    assert.deepEqual(addPaid(four, 5n, 1, 9), [{ first: 1n, last: 5n, attempt: 1 }]);
    assert.deepEqual(addPaid(four, 6n, 2, 9), [...four, { first: 6n, last: 6n, attempt: 2 }]);
  });

  it("say of each segment what a list of all would say, in whatever order they were paid", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.bigInt(0n, 40n), fc.integer({ min: 1, max: 3 }))), (paid) => {
        const all = new Map<bigint, number>();
        let runs: PaidRun[] = [];
        for (const [seq, attempt] of paid) {
          if (!all.has(seq)) all.set(seq, attempt);
          runs = addPaid(runs, seq, attempt, 1_000);
        }
        for (let seq = 0n; seq <= 41n; seq += 1n) assert.equal(paidAttempt(runs, seq), all.get(seq));
        const neighbours = runs.slice(1).map((run, at) => [runs[at]!, run] as const);
        for (const [left, right] of neighbours) {
          assert.ok(left.last < right.first);
          assert.ok(left.attempt !== right.attempt || left.last + 1n < right.first);
        }
      }),
    );
  });

  it("stay few, and forget nothing that was paid: the oldest gaps are closed", () => {
    let runs: PaidRun[] = [];
    for (let seq = 0n; seq < 100n; seq += 2n) runs = addPaid(runs, seq, 1, 4);
    assert.equal(runs.length, 4);
    for (let seq = 0n; seq < 100n; seq += 2n) assert.notEqual(paidAttempt(runs, seq), undefined);
    assert.equal(paidAttempt(runs, 1n), CLOSED);
    assert.equal(paidAttempt(runs, 97n), undefined);
  });
});
