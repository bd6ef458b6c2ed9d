import assert from "node:assert/strict";
import { type ListedReceipt, type ReadReceipt, readReceipts, renderReceipts } from "@leat/node/cli/receipt-list.ts";
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
const listed = (seq: bigint, faults: readonly ReceiptFault[] = []): ReadReceipt => ({
  kind: "transcode",
  part: "vp9",
  hash: `0x${seq}`,
  receipt: { job: "0xa", seq, frames: 60, durationMs: 2_000, sizeBytes: 31_000n } as Partial<Receipt> as Receipt,
  node: node.address,
  proof: "checked",
  checkers: [usdc],
  faults,
});
const job = `0x${"1".repeat(64)}` as const;
const jobs = [{ job, part: "ingest", attempts: [{ cost: { receipts: 7 } }, { cost: { receipts: 3 } }] }];

describe("list of receipts", () => {
  const terms = { spec: { primitive: "ingest" }, assignment: { value: { job, attempt: 1 } } };
  const show = async (seq: number): Promise<ReceiptInfo> => {
    const quoteHash = `0x${"2".repeat(64)}` as const;
    const { receipt, leaves } = await node.receipt(terms as never, seq, { quoteHash });
    return { job, attempt: 1, seq, node: node.address, kind: "ingest", receipt, leaves, checks: [] } as never;
  };

  it("reads no more than it shows, and says whether there are others", async () => {
    let read = 0;
    const all = async function* () {
      for (let seq = 9; seq >= 0; seq -= 1) {
        read += 1;
        yield await show(seq);
      }
    };
    const { receipts, isCut } = await readReceipts(all(), 3, context, jobs);
    assert.deepEqual(
      receipts.map((one) => "hash" in one && one.receipt.seq),
      [9n, 8n, 7n],
    );
    assert.deepEqual([read, isCut, (await readReceipts(all(), 10, context, jobs)).isCut], [4, true, false]);
  });

  it("names work that is listed twice, however it is written", async () => {
    const all = (async function* () {
      for (const seq of [3, 2, 3]) yield await show(seq);
    })();
    const { receipts } = await readReceipts(all, 9, context, jobs);
    assert.deepEqual(
      receipts.map((one) => "hash" in one && [one.receipt.seq, one.faults.includes("RECEIPT_REPEATED")]),
      [
        [3n, false],
        [3n, true],
        [2n, false],
      ],
    );
  });

  it("says who did what and who checked it", () => {
    const said = renderReceipts({ receipts: [listed(5n), listed(4n)], isCut: true, counted: 9 });
    const [head, first] = said.split("\n");
    assert.match(head!, /^segment {2}part {2}node +frames {2}ms +bytes +proof +checked by +receipt$/);
    assert.match(first!, /^5 +vp9 +0x[0-9a-f]{40} +60 +2000 +31000 +checked +0x[0-9a-f]{40} +0x5$/);
    assert.match(said, /each is signed by a node .*\n.*\nthe 2 that came last; --limit shows more$/);
    assert.equal(renderReceipts({ receipts: [], isCut: false, counted: 0 }), "no receipts");
  });

  it("says what nobody signed between the first and the last, and how many the cluster keeps back", () => {
    const receipts = [9n, 5n, 4n, 2n].map((seq) => listed(seq));
    const said = renderReceipts({ receipts, isCut: false, counted: 6 });
    assert.match(said, /\nvp9: no receipt of 3, 6-8\n.*\nall 4 shown; the cluster says that there are 6$/);
    assert.doesNotMatch(renderReceipts({ receipts, isCut: true, counted: 6 }), /no receipt of|the cluster says/);
    const edge = [9n, 2n].map((seq) => ({ ...listed(seq), kind: "delivery" as const }));
    assert.doesNotMatch(renderReceipts({ receipts: edge, isCut: false, counted: 2 }), /no receipt of/);
  });

  it("names each that does not hold, and says of none that it does", () => {
    const unreadable: ListedReceipt = { faults: ["RECEIPT_UNREADABLE"] };
    const receipts = [unreadable, listed(4n, ["RECEIPT_OTHER", "CHECK_OTHER"]), listed(3n)];
    const said = renderReceipts({ receipts, isCut: false, counted: 3 });
    assert.match(said, /\nRECEIPT_UNREADABLE: one of them: .*\nRECEIPT_OTHER: 0x4: .*\nCHECK_OTHER: 0x4: /);
    assert.doesNotMatch(said, /each is signed/);
    assert.match(said, /^4 .* see below /m);
    assert.match(renderReceipts({ receipts: [unreadable], isCut: false, counted: 1 }), /^RECEIPT_UNREADABLE: /);
  });
});
