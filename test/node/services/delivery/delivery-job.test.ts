import assert from "node:assert/strict";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { DeliveryJob, type DeliveryJobComponents } from "@leat/node/services/delivery/delivery-job.ts";
import { keepPart } from "@leat/node/services/delivery/edge-stream.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";

describe("delivery job", () => {
  const limits = { segmentBytes: 1, originRetryMs: 1, originRetryMaxMs: 1, creditWaitMs: 0 };
  const jobOf = (unsignedBudgetBytes: bigint, more: object = {}) => {
    const spec = { stream: "0xid", slug: "slug-slug", renditions: [], origin: {}, unsignedBudgetBytes, ...more };
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

  it("says of its stream who may watch, as that changes and as nothing else does", () => {
    const names = { id: "0xid", slug: "slug-slug" };
    assert.deepEqual(jobOf(0n).stream.guarded, { ...names, policy: { type: "public" } });
    const job = jobOf(0n, { playback: { type: "jwt", keys: [] } });
    job.change({ unsignedBudgetBytes: 5n });
    assert.deepEqual(job.stream.guarded, { ...names, policy: { type: "jwt", keys: [] } });
    job.change({ playback: { type: "public" } });
    assert.deepEqual(job.stream.guarded, { ...names, policy: { type: "public" } });
  });
});
