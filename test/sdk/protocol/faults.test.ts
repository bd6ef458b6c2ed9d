import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createDomain } from "../../../sdk/protocol/eip712.ts";
import {
  checkEquivocation,
  equivocationFromJson,
  equivocationToJson,
  findEquivocation,
} from "../../../sdk/protocol/faults.ts";
import { type Hex, hexToBytes, zeroHash } from "../../../sdk/protocol/hex.ts";
import { type Receipt, receiptStructure } from "../../../sdk/protocol/signed.ts";
import { nobleStatements, type Signed } from "../../../sdk/protocol/statements.ts";
import { proveStorageLeaf, storageRoot, verifyStorageLeaf } from "../../../sdk/protocol/storage-tree.ts";

const domain = createDomain(42161, `0x${"e5".repeat(20)}`);
const signer = nobleStatements.createSigner(new Uint8Array(32).fill(7));
const stranger = nobleStatements.createSigner(new Uint8Array(32).fill(8));

async function receipt(changes: Partial<Receipt> = {}, by = signer, on = domain): Promise<Signed<Receipt>> {
  const value: Receipt = {
    job: zeroHash,
    seq: 3n,
    attempt: 1,
    quoteHash: zeroHash,
    inputHash: zeroHash,
    outputRoot: zeroHash,
    firstFrame: 0n,
    frames: 60,
    durationMs: 2_000,
    sizeBytes: 2n ** 40n,
    ...changes,
  };
  return { value, signature: await by.sign(receiptStructure, on, value) };
}

async function readVectors() {
  type Tree = { sizeBytes: number; content: Hex; root: Hex; proofs: Hex[][] };
  type File = { signer: Hex; equivocation: unknown; digests: Hex[]; trees: Tree[] };
  return JSON.parse(await readFile(new URL("../../vectors/faults.json", import.meta.url), "utf8")) as File;
}

describe("proofs of faults", () => {
  const check = (first: Signed<Receipt>, second: Signed<Receipt>) =>
    checkEquivocation(nobleStatements, domain, { first, second });

  it("name the node and the work that two different receipts are of", async () => {
    const facts = check(await receipt(), await receipt({ frames: 61 }));
    assert.deepEqual(
      [facts.node, facts.job, facts.seq, facts.attempt, facts.firstHash === facts.secondHash],
      [signer.address, zeroHash, 3n, 1, false],
    );
  });

  it("are none of the same receipt, other work, two signers, another network or a broken signature", async () => {
    const first = await receipt();
    const refuse = async (second: Signed<Receipt>, code: string) => assert.throws(() => check(first, second), { code });
    await refuse(first, "FAULT_RECEIPTS_SAME");
    for (const other of [{ seq: 4n }, { attempt: 2 }, { job: `0x${"01".repeat(32)}` as Hex }]) {
      await refuse(await receipt(other), "FAULT_RECEIPTS_UNRELATED");
    }
    const frames = 61;
    await refuse(await receipt({ frames }, stranger), "FAULT_SIGNERS_DIFFER");
    await refuse(await receipt({ frames }, signer, createDomain(1, domain.verifyingContract)), "FAULT_SIGNERS_DIFFER");
    const cut = { ...(await receipt({ frames })), signature: `0x${"00".repeat(65)}` as Hex };
    await refuse(cut, "FAULT_SIGNATURE_INVALID");
  });

  it("are found among many receipts, and not where there are none", async () => {
    const honest = [
      await receipt(),
      await receipt(),
      await receipt({ seq: 4n }),
      await receipt({ frames: 1 }, stranger),
    ];
    assert.equal(findEquivocation(nobleStatements, domain, honest), undefined);
    const lie = await receipt({ frames: 2 });
    assert.equal(findEquivocation(nobleStatements, domain, [...honest, lie])?.second, lie);
  });

  it("read from a file what was written to it, and refuse any other", async () => {
    const pair = { first: await receipt(), second: await receipt({ frames: 61 }) };
    const json = JSON.parse(JSON.stringify(equivocationToJson(pair))) as Record<string, Record<string, unknown>>;
    assert.deepEqual(equivocationFromJson(json), pair);
    const refuse = (change: object, field: string) =>
      assert.throws(() => equivocationFromJson({ ...json, ...change }), {
        code: "FAULT_FILE_INVALID",
        detail: { code: "FAULT_FILE_INVALID", field },
      });
    refuse({ fault: "other" }, "fault");
    refuse({ first: null }, "first");
    refuse({ second: { ...json.second, signature: "0x12" } }, "second.signature");
    refuse({ second: { ...json.second, value: { ...(json.second!.value as object), seq: "-1" } } }, "second.value");
    assert.throws(() => equivocationFromJson("text"), { code: "FAULT_FILE_INVALID" });
  });

  it("agree with the vectors", async () => {
    const vectors = await readVectors();
    const facts = checkEquivocation(nobleStatements, domain, equivocationFromJson(vectors.equivocation));
    assert.deepEqual([facts.node, facts.firstHash, facts.secondHash], [vectors.signer, ...vectors.digests]);
  });
});

describe("trees over stored bytes", () => {
  it("agree with the vectors, leaf by leaf", async () => {
    for (const { sizeBytes, content, root, proofs } of (await readVectors()).trees) {
      const bytes = hexToBytes(content);
      assert.equal(storageRoot(bytes), root);
      for (const [leaf, proof] of proofs.entries()) {
        const proven = proveStorageLeaf(bytes, leaf);
        assert.deepEqual(proven.proof, proof);
        assert.equal(verifyStorageLeaf(root, sizeBytes, proven), true);
        const other = (leaf + 1) % proofs.length;
        if (other !== leaf) assert.equal(verifyStorageLeaf(root, sizeBytes, { ...proven, leaf: other }), false);
        const altered = Uint8Array.from(proven.data, (byte, at) => (at === 0 ? byte ^ 1 : byte));
        assert.equal(verifyStorageLeaf(root, sizeBytes, { ...proven, data: altered }), false);
        assert.equal(verifyStorageLeaf(root, sizeBytes, { ...proven, data: proven.data.subarray(1) }), false);
        assert.equal(verifyStorageLeaf(root, sizeBytes, { ...proven, proof: [...proof, root] }), false);
        assert.equal(verifyStorageLeaf(root, sizeBytes, { ...proven, leaf: proofs.length }), false);
        if (proof.length > 0) {
          assert.equal(verifyStorageLeaf(root, sizeBytes, { ...proven, proof: proof.slice(1) }), false);
        }
      }
    }
  });

  it("are not made over nothing, and have no leaf beyond their last", () => {
    assert.throws(() => storageRoot(new Uint8Array()), { code: "STORAGE_TREE_EMPTY" });
    for (const leaf of [-1, 1, 0.5]) {
      assert.throws(() => proveStorageLeaf(new Uint8Array(1_024), leaf), { code: "STORAGE_TREE_LEAF_INVALID" });
    }
  });
});
