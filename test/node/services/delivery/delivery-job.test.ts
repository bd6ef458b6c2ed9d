import assert from "node:assert/strict";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { DeliveryJob, type DeliveryJobComponents } from "@leat/node/services/delivery/delivery-job.ts";
import { keepPart } from "@leat/node/services/delivery/edge-stream.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";

describe("delivery job", () => {
  const limits = { segmentBytes: 1, originRetryMs: 1, originRetryMaxMs: 1, creditWaitMs: 0 };
  const jobOf = (unsignedBudgetBytes: bigint) => {
    const spec = { renditions: [], origin: {}, unsignedBudgetBytes };
    const components = { keep: keepPart, clock: systemClock, logger: silentLogger } as unknown as DeliveryJobComponents;
    return new DeliveryJob({ spec } as never, components, limits);
  };

  it("says of its stream whether the buyer pays for viewers, as that changes", () => {
    const job = jobOf(0n);
    assert.equal(job.stream.isUnbudgeted, true);
    job.change({ unsignedBudgetBytes: 5n });
    assert.equal(job.stream.isUnbudgeted, false);
    job.change({ unsignedBudgetBytes: 0n });
    assert.equal(job.stream.isUnbudgeted, true);
    assert.equal(jobOf(1n).stream.isUnbudgeted, false);
  });
});
