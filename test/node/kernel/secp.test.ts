import assert from "node:assert/strict";
import { nativeSecp } from "@leat/node/kernel/secp.ts";
import { nobleSecp } from "@leat/sdk/protocol/secp.ts";
import fc from "fast-check";

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
// Keys from the lower half of the numbers: all of them but 0 are in range.
const privateKey = bytes32.map((bytes) =>
  Uint8Array.from(bytes, (byte, at) => (at === 0 ? byte >> 1 : at === 31 ? byte | 1 : byte)),
);

describe("kernel/secp", () => {
  it("does what the portable curve does, bit for bit", () => {
    fc.assert(
      fc.property(privateKey, bytes32, (key, digest) => {
        const native = nativeSecp.sign(digest, key);
        const noble = nobleSecp.sign(digest, key);
        assert.deepEqual(Buffer.from(native.signature), Buffer.from(noble.signature));
        assert.equal(native.recovery, noble.recovery);
        const publicKey = nativeSecp.publicKey(key);
        assert.deepEqual(Buffer.from(publicKey), Buffer.from(nobleSecp.publicKey(key)));
        assert.deepEqual(nativeSecp.recover(digest, noble.signature, noble.recovery), publicKey);
        assert.deepEqual(nativeSecp.uncompress(nativeSecp.uncompress(publicKey)), publicKey);
      }),
      { numRuns: 30 },
    );
  });

  it("throws for a key that is none and for a signature of nobody", () => {
    assert.throws(() => nativeSecp.publicKey(new Uint8Array(32)));
    assert.throws(() => nativeSecp.sign(new Uint8Array(32), new Uint8Array(32).fill(255)));
    assert.throws(() => nativeSecp.recover(new Uint8Array(32), new Uint8Array(64), 0));
    assert.throws(() => nativeSecp.uncompress(new Uint8Array(33)));
  });
});
