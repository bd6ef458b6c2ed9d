import assert from "node:assert/strict";
import type { ReceiptInfo } from "@leat/sdk/client/actions/streams.ts";
import { type ReceiptContext, verifyReceipt } from "@leat/sdk/client/verify-receipt.ts";
import { createDomain, hashStatement } from "@leat/sdk/protocol/eip712.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { hashPartLeaf, merkleRoot } from "@leat/sdk/protocol/merkle.ts";
import { checkResultStructure, checkVerdicts, type Receipt, receiptStructure } from "@leat/sdk/protocol/signed.ts";
import { nobleStatements } from "@leat/sdk/protocol/statements.ts";

const domain = createDomain(31337, `0x${"e5".repeat(20)}`);
const hash = (byte: string): Hex => `0x${byte.repeat(32)}`;
const [node, origin, agent, stranger] = [1, 2, 3, 4].map((byte) =>
  nobleStatements.createSigner(new Uint8Array(32).fill(byte)),
) as [Signer, Signer, Signer, Signer];
type Signer = ReturnType<typeof nobleStatements.createSigner>;

const context: ReceiptContext = {
  domain,
  origins: new Set([origin.address]),
  isAttempt: ({ receipt: { job, attempt } }) => job === hash("01") && attempt === 2,
  isNode: async (address) => [node.address, origin.address].includes(address),
  isBuyers: async (address) => address === agent.address,
};

interface Making {
  readonly kind?: ReceiptInfo["kind"];
  readonly worker?: Signer;
  /** Who says what of it, naming which receipt. */
  readonly checks?: readonly (readonly [checker: Signer, verdict: number, receiptHash?: Hex])[];
  readonly proof?: ReceiptInfo["proof"];
}

/** As a cluster's API shows it: JSON, amounts as text. */
async function show(making: Making = {}): Promise<ReceiptInfo> {
  const { kind = "transcode", worker = node, checks = [[origin, checkVerdicts.passed]], proof = "checked" } = making;
  const leaves = [0, 1, 2].map((part) => ({
    rung: 1,
    part,
    frames: 15,
    pixels: 3_456_000n,
    sizeBytes: 31_000n,
    sha256: hash("ab"),
  }));
  const work = { job: hash("01"), attempt: 2, seq: 7n };
  const value: Receipt = {
    ...work,
    quoteHash: hash("02"),
    inputHash: hash("03"),
    outputRoot: merkleRoot(leaves.map(hashPartLeaf)),
    firstFrame: 315n,
    frames: 45,
    durationMs: 1_500,
    sizeBytes: 93_000n,
  };
  const own = hashStatement(receiptStructure, domain, value);
  const shown = {
    hash: own,
    ...work,
    seq: 7,
    node: worker.address,
    kind,
    receipt: { value, signature: await worker.sign(receiptStructure, domain, value) },
    leaves,
    proof,
    checks: await Promise.all(
      checks.map(async ([checker, verdict, receiptHash = own]) => {
        const check = { ...work, receiptHash, check: 1, verdict, checkedAt: 1_700_000_000n };
        return {
          code: null,
          statement: { value: check, signature: await checker.sign(checkResultStructure, domain, check) },
        };
      }),
    ),
  };
  return JSON.parse(
    JSON.stringify(shown, (_, inner: unknown) => (typeof inner === "bigint" ? inner.toString() : inner)),
  ) as ReceiptInfo;
}

const faultsOf = async (shown: ReceiptInfo, of = context): Promise<readonly string[]> =>
  (await verifyReceipt(shown, of)).faults;

describe("a receipt that a cluster shows", () => {
  it("comes to who signed it, what it is of, and what its checks make of it", async () => {
    const { passed, failed, unproven } = checkVerdicts;
    const cases: readonly (readonly [making: Making, proof: string, checkers: readonly Signer[]])[] = [
      [{}, "checked", [origin]],
      [{ checks: [], proof: "unchecked" }, "unchecked", []],
      [{ checks: [[origin, unproven]], proof: "unchecked" }, "unchecked", []],
      [{ checks: [[origin, failed]], proof: "failed" }, "failed", [origin]],
      [{ kind: "ingest", checks: [], proof: "unproven" }, "unproven", []],
      // An edge's bytes are compared with what somebody else made.
      [{ kind: "delivery", checks: [[agent, passed, hash("0c")]] }, "checked", [agent]],
    ];
    for (const [making, proof, checkers] of cases) {
      const verified = await verifyReceipt(await show(making), context);
      if (!("hash" in verified)) throw new Error("it cannot be read");
      assert.deepEqual(
        [verified.node, verified.receipt.seq, verified.proof, verified.checkers, verified.faults],
        [node.address, 7n, proof, checkers.map(({ address }) => address), []],
      );
    }
  });

  it("does not hold where a cluster made it up, or anything in it is another", async () => {
    const { passed } = checkVerdicts;
    const made: readonly (readonly [fault: string, making: Making])[] = [
      ["RECEIPT_NODE_UNKNOWN", { worker: stranger }],
      ["CHECK_SIGNER_WRONG", { checks: [[stranger, passed]] }],
      ["CHECK_SIGNER_WRONG", { checks: [[agent, passed]] }],
      ["CHECK_SIGNER_WRONG", { worker: origin }],
      ["CHECK_SIGNER_WRONG", { kind: "delivery" }],
      ["CHECK_OTHER", { checks: [[origin, passed, hash("0c")]] }],
      ["RECEIPT_PROOF_WRONG", { checks: [] }],
      ["RECEIPT_PROOF_WRONG", { checks: [[origin, checkVerdicts.failed]] }],
      ["RECEIPT_PROOF_WRONG", { kind: "ingest" }],
    ];
    for (const [fault, making] of made) {
      const faults = await faultsOf(await show(making));
      assert.ok(faults.includes(fault), `${fault} of ${faults}`);
    }
    const changed: readonly (readonly [fault: string, lie: (shown: ReceiptInfo) => object])[] = [
      ["RECEIPT_OTHER", () => ({ node: origin.address })],
      ["RECEIPT_OTHER", () => ({ hash: hash("0f") })],
      ["RECEIPT_OTHER", () => ({ seq: 8 })],
      ["RECEIPT_OTHER", () => ({ attempt: 3 })],
      ["RECEIPT_OTHER", ({ receipt }) => ({ receipt: change(receipt, { sizeBytes: "93001" }) })],
      ["RECEIPT_PARTS_WRONG", ({ leaves }) => ({ leaves: leaves.slice(1) })],
      ["RECEIPT_PARTS_WRONG", ({ leaves }) => ({ leaves: leaves.map((leaf) => ({ ...leaf, pixels: "1" })) })],
      ["RECEIPT_PARTS_WRONG", ({ leaves }) => ({ leaves: leaves.map((leaf) => ({ ...leaf, sizeBytes: "-1" })) })],
      ["RECEIPT_PARTS_WRONG", () => ({ leaves: [null, "part"] })],
      ["RECEIPT_PARTS_WRONG", () => ({ leaves: undefined })],
      ["RECEIPT_PARTS_WRONG", ({ leaves }) => ({ leaves: leaves.map((leaf) => ({ ...leaf, sha256: 5 })) })],
      ["CHECK_SIGNER_WRONG", ({ checks }) => ({ checks: checks.map((one) => changeCheck(one, { verdict: 2 })) })],
      ["CHECK_OTHER", ({ checks }) => ({ checks: checks.map((one) => changeCheck(one, { seq: "8" })) })],
      ["CHECK_UNREADABLE", () => ({ checks: [{ statement: null }] })],
      ["RECEIPT_PROOF_WRONG", () => ({ checks: "none" })],
      ["RECEIPT_UNREADABLE", ({ receipt }) => ({ receipt: change(receipt, { firstFrame: "many" }) })],
      ["RECEIPT_UNREADABLE", ({ receipt }) => ({ receipt: { ...receipt, signature: `0x${"00".repeat(65)}` } })],
      ["RECEIPT_UNREADABLE", () => ({ receipt: undefined })],
      ["RECEIPT_UNREADABLE", () => ({ kind: "work" })],
    ];
    for (const [fault, lie] of changed) {
      const shown = await show();
      const faults = await faultsOf({ ...shown, ...lie(shown) });
      assert.ok(faults.includes(fault), `${fault} of ${faults}`);
    }
    assert.deepEqual(await faultsOf(await show(), { ...context, isAttempt: () => false }), ["RECEIPT_OTHER"]);
    assert.ok((await faultsOf(await show(), { ...context, domain: createDomain(1, domain.verifyingContract) })).length);
  });

  function change<T extends { readonly value: object }>(signed: T, changes: object): T {
    return { ...signed, value: { ...signed.value, ...changes } };
  }

  function changeCheck(check: ReceiptInfo["checks"][number], changes: object) {
    return { ...check, statement: change(check.statement, changes) };
  }
});
