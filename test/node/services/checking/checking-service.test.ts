import assert from "node:assert/strict";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { nativeStatements } from "@leat/node/kernel/secp.ts";
import { CheckingService } from "@leat/node/services/checking/checking-service.ts";
import type { SegmentEvidence } from "@leat/node/services/checking/index.ts";
import type { OutboxItem } from "@leat/node/services/jobs/outbox.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { createDomain, hashStatement } from "@leat/sdk/protocol/eip712.ts";
import { zeroHash } from "@leat/sdk/protocol/hex.ts";
import { checkResultStructure, checkVerdicts, receiptStructure } from "@leat/sdk/protocol/signed.ts";

const domain = createDomain(31_337, `0x${"e5".repeat(20)}`);
const signer = nativeStatements.createSigner(new Uint8Array(32).fill(7));
const value = {
  job: zeroHash,
  seq: 5n,
  attempt: 2,
  quoteHash: zeroHash,
  inputHash: zeroHash,
  outputRoot: zeroHash,
  firstFrame: 0n,
  frames: 1,
  durationMs: 1,
  sizeBytes: 1n,
};
const evidence: SegmentEvidence = {
  receipt: { value, signature: "0x" },
  leaves: [],
  renditions: [],
  rungs: [],
  source: {
    frames: [],
    config: {
      kind: "video",
      codec: "h264",
      timescale: 90_000,
      width: 2,
      height: 2,
      description: new Uint8Array(),
      codecString: "avc1",
    },
    firstFrame: 0,
    inputHash: zeroHash,
    durationTicks: 0,
  },
};

describe("checking service", () => {
  for (const fault of [undefined, "CHECK_SIZE"]) {
    it(`signs and posts that a segment ${fault === undefined ? "passed" : "failed"}`, async () => {
      const posted: OutboxItem[] = [];
      const service = new CheckingService({
        findFault: () => fault,
        outbox: {
          post: async (_, item) => {
            // Decided, and not in the outbox yet.
            assert.equal(service.waiting(value.job, value.attempt), 1);
            posted.push(item);
          },
          countWaiting: () => 0,
        },
        signer,
        domain,
        clock: systemClock,
        logger: silentLogger,
        metrics: silentMetrics,
      });
      assert.equal(service.checkSegment(evidence), fault);
      assert.deepEqual([posted.length, service.waiting(value.job, 2)], [0, 0]);
      await service.report(value, fault);
      assert.deepEqual([service.waiting(value.job, 2), service.waiting(value.job, 1)], [0, 0]);
      const [item] = posted;
      assert.ok(item?.method === "check.submit" && posted.length === 1);
      nativeStatements.verifySigned(checkResultStructure, domain, item.body.check, signer.address);
      const { receiptHash, verdict, job, seq, attempt, check } = item.body.check.value;
      assert.equal(receiptHash, hashStatement(receiptStructure, domain, value));
      assert.equal(verdict, fault === undefined ? checkVerdicts.passed : checkVerdicts.failed);
      assert.deepEqual([job, seq, attempt, check], [zeroHash, 5n, 2, 1]);
      assert.equal(item.body.code, fault);
    });
  }
});
