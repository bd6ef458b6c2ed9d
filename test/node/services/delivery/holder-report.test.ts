import assert from "node:assert/strict";
import { HolderReport } from "@leat/node/services/delivery/holder-report.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";

const nodeOf = (number: number): Address => `0x${`${number}`.padStart(40, "0")}`;
const job: Hex = `0x${"11".repeat(32)}`;
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("report of holders", () => {
  it("owes a balancer that does not answer one word, the newest, with all who failed", async () => {
    const sent: { holder: Address; failed: readonly { node: Address }[] }[] = [];
    const answer = Promise.withResolvers<void>();
    const send = (body: (typeof sent)[number]) => {
      sent.push(body);
      return answer.promise;
    };
    const report = new HolderReport({ job, attempt: 1 }, send, silentLogger);
    for (let round = 0; round < 500; round += 1) {
      report.accepted(nodeOf(round % 2));
      report.failed(nodeOf(round % 2), "DELIVERY_PARENT_SILENT");
    }
    assert.equal(sent.length, 1);
    answer.resolve();
    await settle();
    const failed = [nodeOf(0), nodeOf(1)].map((node) => ({ node, code: "DELIVERY_PARENT_SILENT" }));
    assert.deepEqual(sent.slice(1), [{ job, attempt: 1, holder: nodeOf(1), failed }]);
    // One that serves again tells so, also while another is being told.
    report.accepted(nodeOf(0));
    report.accepted(nodeOf(1));
    await settle();
    assert.deepEqual(
      sent.slice(2).map(({ holder }) => holder),
      [nodeOf(0), nodeOf(1)],
    );
    sent.length = 2;
    // It was told.
    report.accepted(nodeOf(1));
    await settle();
    assert.equal(sent.length, 2);
  });
});
