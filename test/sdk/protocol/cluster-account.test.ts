import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeAbiParameters, keccak256 } from "viem";
import { clusterAccountOf } from "../../../sdk/protocol/cluster-account.ts";

describe("a cluster's account", () => {
  it("is what abi.encode and keccak256 make of the cluster's id", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }), (id) => {
        const hash = keccak256(encodeAbiParameters([{ type: "string" }, { type: "uint256" }], ["leat.cluster", id]));
        assert.equal(clusterAccountOf(id), `0x${hash.slice(26)}`);
      }),
    );
  });
});
