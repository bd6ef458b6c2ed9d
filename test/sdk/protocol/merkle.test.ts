import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeAbiParameters, keccak256, parseAbiParameters } from "viem";
import { bytesToHex, type Hex, zeroHash } from "../../../sdk/protocol/hex.ts";
import {
  hashPartLeaf,
  MerkleError,
  merkleProof,
  merkleRoot,
  nextUsageRoot,
  verifyMerkleProof,
} from "../../../sdk/protocol/merkle.ts";

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytesToHex);
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const leaf: Parameters<typeof hashPartLeaf>[0] = {
  rung: 1,
  part: 2,
  frames: 3,
  pixels: 4n,
  sizeBytes: 5n,
  sha256: `0x${"66".repeat(32)}`,
};
const codeIs = (code: string) => (error: unknown) => error instanceof MerkleError && error.code === code;

describe("merkle", () => {
  it("hashes a part as abi.encode and keccak do", () => {
    const types = parseAbiParameters("uint32, uint32, uint32, uint64, uint64, bytes32");
    fc.assert(
      fc.property(uint32, uint32, uint32, uint64, uint64, hash, (rung, part, frames, pixels, sizeBytes, sha256) => {
        assert.equal(
          hashPartLeaf({ rung, part, frames, pixels, sizeBytes, sha256 }),
          keccak256(encodeAbiParameters(types, [rung, part, frames, pixels, sizeBytes, sha256])),
        );
      }),
    );
  });

  it("chains usage roots as abi.encode and keccak do", () => {
    fc.assert(
      fc.property(hash, uint64, hash, (previous, seq, receipts) => {
        const wanted = keccak256(
          encodeAbiParameters(parseAbiParameters("bytes32, uint64, bytes32"), [previous, seq, receipts]),
        );
        assert.equal(nextUsageRoot(previous, seq, receipts), wanted);
      }),
    );
  });

  it("proves every leaf of every list, and no other", () => {
    fc.assert(
      fc.property(fc.uniqueArray(hash, { minLength: 1, maxLength: 40 }), hash, (leaves, stranger) => {
        const root = merkleRoot(leaves);
        for (const [index, item] of leaves.entries()) {
          const proof = merkleProof(leaves, index);
          assert.ok(verifyMerkleProof(root, item, proof));
          assert.ok(leaves.includes(stranger) || !verifyMerkleProof(root, stranger, proof));
        }
      }),
    );
  });

  it("gives another root when any leaf changes, is dropped or is doubled", () => {
    fc.assert(
      fc.property(fc.uniqueArray(hash, { minLength: 2, maxLength: 20 }), fc.nat(), hash, (leaves, at, other) => {
        const root = merkleRoot(leaves);
        const index = at % leaves.length;
        fc.pre(!leaves.includes(other));
        assert.notEqual(merkleRoot(leaves.with(index, other)), root);
        assert.notEqual(merkleRoot(leaves.toSpliced(index, 1)), root);
        assert.notEqual(merkleRoot([...leaves, leaves.at(-1)!]), root);
      }),
    );
  });

  it("is the leaf itself for one, and zero for none", () => {
    const only = hashPartLeaf(leaf);
    assert.equal(merkleRoot([only]), only);
    assert.deepEqual(merkleProof([only], 0), []);
    assert.equal(merkleRoot([]), zeroHash);
  });

  it("is as worked by hand for three leaves", () => {
    const [a, b, c] = ["01", "02", "03"].map((byte) => `0x${byte.repeat(32)}` as Hex) as [Hex, Hex, Hex];
    const left = keccak256(`${a}${b.slice(2)}` as Hex);
    const [low, high] = BigInt(left) < BigInt(c) ? [left, c] : [c, left];
    assert.equal(merkleRoot([a, b, c]), keccak256(`${low}${high.slice(2)}` as Hex));
    assert.deepEqual(merkleProof([a, b, c], 2), [left]);
    assert.deepEqual(merkleProof([a, b, c], 0), [b, c]);
  });

  it("refuses an index outside the list, and numbers that do not fit a leaf", () => {
    for (const index of [-1, 1, 0.5])
      assert.throws(() => merkleProof([zeroHash], index), codeIs("MERKLE_INDEX_INVALID"));
    for (const change of [
      { rung: -1 },
      { part: 2 ** 32 },
      { frames: 1.5 },
      { pixels: -1n },
      { sizeBytes: 2n ** 64n },
    ]) {
      assert.throws(() => hashPartLeaf({ ...leaf, ...change }), codeIs("MERKLE_LEAF_INVALID"));
    }
    assert.throws(() => nextUsageRoot(zeroHash, 2n ** 64n, zeroHash), codeIs("MERKLE_LEAF_INVALID"));
  });
});
