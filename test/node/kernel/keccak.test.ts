import assert from "node:assert/strict";
import { keccak_256 } from "@noble/hashes/sha3.js";
import fc from "fast-check";
import "../../../node/kernel/secp.ts";
import { keccak256 } from "../../../sdk/protocol/keccak.ts";

describe("keccak of a node", () => {
  it("gives the bytes of the portable one, whatever the length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 700 }), (bytes) => {
        assert.deepEqual(keccak256(bytes), keccak_256(bytes));
      }),
    );
    for (const length of [0, 1, 135, 136, 137, 272, 1_000_000]) {
      const bytes = new Uint8Array(length).fill(length);
      assert.deepEqual(keccak256(bytes), keccak_256(bytes), `${length} bytes`);
    }
  });

  it("keeps what it gave when it hashes again, and takes views of larger buffers", () => {
    const large = new Uint8Array(64).map((_, at) => at);
    const first = keccak256(large.subarray(8, 40));
    const kept = Uint8Array.from(first);
    keccak256(new Uint8Array(5));
    assert.deepEqual(first, kept);
    assert.deepEqual(first, keccak_256(large.slice(8, 40)));
  });
});
