import assert from "node:assert/strict";
import { type ListedReceipt, readReceipts, renderReceipts } from "@leat/node/cli/receipt-list.ts";
import type { ReceiptInfo } from "@leat/sdk/client/actions/streams.ts";
import type { ReceiptContext, ReceiptFault } from "@leat/sdk/client/verify-receipt.ts";
import type { Receipt } from "@leat/sdk/protocol/signed.ts";
import { usdc } from "../../support/candidates.ts";
import { domain, FakeNode } from "../../support/fake-node.ts";

const node = new FakeNode(1, ["ingest"]);
const context: ReceiptContext = {
  domain,
  origins: new Set(),
  isAttempt: () => true,
  isNode: async () => true,
  isBuyers: async () => false,
};
const listed = (seq: bigint, faults: readonly ReceiptFault[] = []): ListedReceipt => ({
  kind: "transcode",
  hash: `0x${seq}`,
  receipt: { job: "0xa", seq, frames: 60, durationMs: 2_000, sizeBytes: 31_000n } as Partial<Receipt> as Receipt,
  node: node.address,
  proof: "checked",
  checkers: [usdc],
  faults,
});
const jobs = [{ job: "0xa", part: "vp9" }] as const;

describe("list of receipts", () => {
  const terms = { spec: { primitive: "ingest" }, assignment: { value: { job: `0x${"1".repeat(64)}`, attempt: 1 } } };
  const show = async (seq: number): Promise<ReceiptInfo> => {
    const quoteHash = `0x${"2".repeat(64)}` as const;
    const { receipt, leaves } = await node.receipt(terms as never, seq, { quoteHash });
    const { job, attempt } = receipt.value;
    return { job, attempt, seq, node: node.address, kind: "ingest", receipt, leaves, checks: [] } as never;
  };

  it("reads no more than it shows, and says whether there are others", async () => {
    let read = 0;
    const all = async function* () {
      for (let seq = 9; seq >= 0; seq -= 1) {
        read += 1;
        yield await show(seq);
      }
    };
    const { receipts, isCut } = await readReceipts(all(), 3, context);
    assert.deepEqual(
      receipts.map((one) => "hash" in one && one.receipt.seq),
      [9n, 8n, 7n],
    );
    assert.deepEqual([read, isCut, (await readReceipts(all(), 10, context)).isCut], [4, true, false]);
  });

  it("names work that is listed twice, however it is written", async () => {
    const all = (async function* () {
      for (const seq of [3, 2, 3]) yield await show(seq);
    })();
    const { receipts } = await readReceipts(all, 9, context);
    assert.deepEqual(
      receipts.map(({ faults }) => faults.includes("RECEIPT_REPEATED")),
      [false, false, true],
    );
  });

  it("says who did what and who checked it", () => {
    const said = renderReceipts({ receipts: [listed(5n), listed(4n)], isCut: true }, jobs);
    const [head, first] = said.split("\n");
    assert.match(head!, /^segment {2}part {2}node +frames {2}ms +bytes +proof +checked by +receipt$/);
    assert.match(first!, /^5 +vp9 +0x[0-9a-f]{40} +60 +2000 +31000 +checked +0x[0-9a-f]{40} +0x5$/);
    assert.match(said, /each is signed by a node .*\n\nthe newest 2 shown; --limit shows more$/);
    assert.equal(renderReceipts({ receipts: [], isCut: false }, jobs), "no receipts");
  });

  it("names each that does not hold, and says of none that it does", () => {
    const unreadable: ListedReceipt = { faults: ["RECEIPT_UNREADABLE"] };
    const receipts = [listed(4n, ["RECEIPT_OTHER", "CHECK_OTHER"]), unreadable, listed(3n)];
    const said = renderReceipts({ receipts, isCut: false }, jobs);
    assert.match(said, /\nRECEIPT_OTHER: 0x4: .*\nCHECK_OTHER: 0x4: .*\nRECEIPT_UNREADABLE: one of them: /);
    assert.doesNotMatch(said, /each is signed/);
    assert.match(renderReceipts({ receipts: [unreadable], isCut: false }, jobs), /^RECEIPT_UNREADABLE: /);
  });
});
