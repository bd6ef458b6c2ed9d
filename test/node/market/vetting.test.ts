import assert from "node:assert/strict";
import { samplingRate, vettingStage } from "../../../node/market/vetting.ts";

describe("vetting", () => {
  it("lets a node rise by work that passed", () => {
    assert.equal(vettingStage({ passed: 199, failed: 0 }), "new");
    assert.equal(vettingStage({ passed: 200, failed: 0 }), "probation");
    assert.equal(vettingStage({ passed: 9_999, failed: 0 }), "probation");
    assert.equal(vettingStage({ passed: 10_000, failed: 0 }), "standing");
  });

  it("throws a node back by a failure", () => {
    assert.equal(vettingStage({ passed: 10_000, failed: 1 }), "probation");
    assert.equal(vettingStage({ passed: 600, failed: 1 }), "new");
  });

  it("checks every segment of a new node", () => {
    assert.deepEqual([samplingRate("new"), samplingRate("probation"), samplingRate("standing")], [1, 0.2, 0.05]);
  });
});
