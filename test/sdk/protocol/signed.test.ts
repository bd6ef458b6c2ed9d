import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { hashDomain, hashStatement, hashStruct, type Structure, valueFromJson } from "../../../sdk/protocol/eip712.ts";
import type { Hex } from "../../../sdk/protocol/hex.ts";
import {
  hashPartLeaf,
  merkleProof,
  merkleRoot,
  nextUsageRoot,
  verifyMerkleProof,
} from "../../../sdk/protocol/merkle.ts";
import * as signed from "../../../sdk/protocol/signed.ts";
import { nobleStatements } from "../../../sdk/protocol/statements.ts";

interface StatementVector {
  readonly encodedType: string;
  readonly typeHash: Hex;
  readonly value: Record<string, string | number>;
  readonly structHash: Hex;
  readonly digest: Hex;
  readonly signer: Hex;
  readonly signature: Hex;
  readonly r: Hex;
  readonly vs: Hex;
}

async function readVectors<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(new URL(`../../vectors/${name}.json`, import.meta.url), "utf8")) as T;
}

describe("signed structures", () => {
  const structures = Object.values(signed).filter((item) => "typeHash" in item) as unknown as Structure<
    Record<string, unknown>
  >[];

  it("have their final fields", () => {
    // Copied from DESIGN by hand: what is generated must not vouch for itself.
    assert.equal(
      signed.voucherStructure.encodedType,
      "Voucher(address payer,address payee,address token,uint256 cluster,uint32 clusterPpm,uint128 cumulative,uint64 seq,bytes32 usageRoot)",
    );
    assert.equal(
      signed.receiptStructure.encodedType,
      "Receipt(bytes32 job,uint64 seq,uint32 attempt,bytes32 quoteHash,bytes32 inputHash,bytes32 outputRoot,uint64 firstFrame,uint32 frames,uint32 durationMs,uint64 sizeBytes)",
    );
    assert.equal(
      signed.quoteStructure.encodedType,
      "Quote(address node,address payer,address token,bytes32 specHash,bytes32 pricesHash,uint128 maxUnits,uint64 validUntil,uint256 nonce)",
    );
    assert.equal(
      signed.assignmentStructure.encodedType,
      "Assignment(bytes32 job,uint32 attempt,address node,bytes32 quoteHash,uint64 firstFrame,uint64 validUntil)",
    );
  });

  it("hash, sign and recover as the vectors say", async () => {
    type File = {
      domain: { chainId: number; verifyingContract: Hex; separator: Hex };
      statements: Record<string, StatementVector>;
    };
    const { domain, statements } = await readVectors<File>("statements");
    assert.equal(hashDomain(domain), domain.separator);
    assert.deepEqual(Object.keys(statements).toSorted(), structures.map(({ name }) => name).toSorted());
    for (const structure of structures) {
      const vector = statements[structure.name]!;
      const value = valueFromJson(structure, vector.value);
      assert.equal(structure.encodedType, vector.encodedType);
      assert.equal(structure.typeHash, vector.typeHash);
      assert.equal(hashStruct(structure, value), vector.structHash);
      assert.equal(hashStatement(structure, domain, value), vector.digest);
      const compact = `${vector.r}${vector.vs.slice(2)}` as Hex;
      for (const signature of [vector.signature, compact]) {
        assert.equal(nobleStatements.recoverSigner(structure, domain, value, signature), vector.signer);
      }
    }
  });

  it("build the trees and usage roots of the vectors", async () => {
    type Leaf = {
      rung: number;
      part: number;
      frames: number;
      pixels: string;
      sizeBytes: string;
      sha256: Hex;
      hash: Hex;
      proof: Hex[];
    };
    type Usage = { previous: Hex; seq: number; receiptsRoot: Hex; usageRoot: Hex };
    const { leaves, root, usageRoots } = await readVectors<{ leaves: Leaf[]; root: Hex; usageRoots: Usage[] }>(
      "merkle",
    );
    const hashes = leaves.map((leaf) =>
      hashPartLeaf({ ...leaf, pixels: BigInt(leaf.pixels), sizeBytes: BigInt(leaf.sizeBytes) }),
    );
    assert.equal(merkleRoot(hashes), root);
    for (const [index, leaf] of leaves.entries()) {
      assert.equal(hashes[index], leaf.hash);
      assert.deepEqual(merkleProof(hashes, index), leaf.proof);
      assert.ok(verifyMerkleProof(root, leaf.hash, leaf.proof));
    }
    for (const { previous, seq, receiptsRoot, usageRoot } of usageRoots) {
      assert.equal(nextUsageRoot(previous, BigInt(seq), receiptsRoot), usageRoot);
    }
  });
});
