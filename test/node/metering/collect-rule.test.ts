import assert from "node:assert/strict";
import { reasonToCollect } from "../../../node/metering/collect-rule.ts";

const facts = {
  vouchered: 40n,
  collected: 10n,
  reserve: 100n,
  thawing: 0n,
  jobEnded: false,
  uncollectedForMs: 0,
};

describe("collect rule", () => {
  it("waits while there is no reason", () => {
    assert.equal(reasonToCollect(facts, 1_000), undefined);
  });

  it("never collects what brings nothing", () => {
    const done = { ...facts, collected: 40n, thawing: 1n, jobEnded: true, uncollectedForMs: 9_999 };
    assert.equal(reasonToCollect(done, 1_000), undefined);
  });

  it("collects at the job's end, at half of the reserve, when a thaw starts and by age", () => {
    assert.equal(reasonToCollect({ ...facts, jobEnded: true }, 1_000), "job-ended");
    assert.equal(reasonToCollect({ ...facts, vouchered: 60n }, 1_000), "half-of-reserve");
    assert.equal(reasonToCollect({ ...facts, thawing: 1n }, 1_000), "thaw-started");
    assert.equal(reasonToCollect({ ...facts, uncollectedForMs: 1_000 }, 1_000), "age");
  });
});
