import assert from "node:assert/strict";
import { findAllotmentFault, promisedReserve } from "../../../node/metering/allotment.ts";

const allotment = { cap: 200n, validUntil: 1_000n };

describe("what an allotted key may sign", () => {
  it("ends with the cap and with the time, each with its own code", () => {
    assert.equal(findAllotmentFault(allotment, 200n, 999n), undefined);
    assert.equal(findAllotmentFault(allotment, 201n, 999n), "VOUCHER_SIGNER_CAP");
    assert.equal(findAllotmentFault(allotment, 1n, 1_000n), "VOUCHER_SIGNER_EXPIRED");
  });

  it("promises of the reserve no more than the key may still sign", () => {
    const cases = [
      [{ collected: 150n, reserve: 500n }, allotment, 0n, 50n],
      [{ collected: 150n, reserve: 30n }, allotment, 0n, 30n],
      [{ collected: 200n, reserve: 500n }, allotment, 0n, 0n],
      [{ collected: 300n, reserve: 500n }, allotment, 0n, 0n],
      [{ collected: 0n, reserve: 500n }, allotment, 1_000n, 0n],
      [{ collected: 150n, reserve: 500n }, undefined, 5_000n, 500n],
    ] as const;
    for (const [state, key, nowSeconds, promised] of cases) {
      assert.equal(promisedReserve(state, key, nowSeconds), promised);
    }
  });
});
