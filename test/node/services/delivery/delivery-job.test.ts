import assert from "node:assert/strict";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { DeliveryJob, type DeliveryJobComponents } from "@leat/node/services/delivery/delivery-job.ts";
import { deliveryOptions } from "@leat/node/services/delivery/delivery-service.ts";
import { keepPart } from "@leat/node/services/delivery/edge-stream.ts";
import type { DeliveryError } from "@leat/node/services/delivery/errors.ts";
import type { MediaMessage } from "@leat/node/wire/media/message.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { Frame } from "@leat/sdk/protocol/frame.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { plainConfig as config } from "../../../support/plain-config.ts";

describe("delivery job", () => {
  const limits = {
    ...defaultsOf(deliveryOptions),
    ...{ segmentBytes: 1, originRetryMs: 1, originRetryMaxMs: 1, creditWaitMs: 0 },
  };
  const report = { accepted: () => {}, failed: () => {} };
  const jobOf = (unsignedBudgetBytes: bigint, more: object = {}, parts: object = {}) => {
    const spec = { stream: "0xid", slug: "slug-slug", renditions: [], origin: {}, unsignedBudgetBytes, ...more };
    const known = { keep: keepPart, report, clock: systemClock, logger: silentLogger, ...parts };
    const components = known as unknown as DeliveryJobComponents;
    const assignment = { value: { node: "0xedge" } };
    return new DeliveryJob({ spec, assignment } as never, components, limits);
  };

  it("cuts off a holder that sends what it does not take, and asks again", async () => {
    const frameOf = (dts: number): Frame => {
      const data = Uint8Array.of(1);
      return { kind: "video", epoch: 0, dts, pts: dts, duration: 1, key: true, configVersion: 0, arrivalMs: 0, data };
    };
    const place = { rung: 1, sequence: 0, epoch: 0, firstFrame: 0, discontinuity: false, wallClockMs: 0 };
    const pulls: MediaMessage[][] = [
      [
        { type: "config", rung: 1, version: 0, config },
        { type: "segmentStart", ...place, configVersion: 0 },
        { type: "frame", rung: 1, sequence: 0, frame: frameOf(0) },
        // More bytes than a segment may have here.
        { type: "frame", rung: 1, sequence: 0, frame: frameOf(1) },
      ],
      [{ type: "end", code: "STREAM_ENDED" }],
    ];
    const aborted: unknown[] = [];
    const openMedia = async () => {
      const messages = pulls.shift()!;
      return { send: async () => {}, close: async () => {}, abort: (error: unknown) => aborted.push(error), messages };
    };
    const job = jobOf(0n, { renditions: [{ rung: 1 }] }, { media: { openMedia } });
    assert.deepEqual(await job.run(), { code: undefined });
    assert.deepEqual(
      aborted.map((error) => (error as DeliveryError).code),
      ["DELIVERY_SEGMENT_TOO_LARGE"],
    );
  });

  it("waits for the next picture of a source that sends one now and then, before it takes its holder for gone", async () => {
    const clock = new ManualClock();
    const failed: unknown[] = [];
    const openMedia = async (_: unknown, peer: string) => {
      const gone = Promise.withResolvers<void>();
      const answers: MediaMessage[] = peer === "0xorigin" ? [{ type: "end", code: "ENDED" }] : [{ type: "accepted" }];
      const messages = (async function* () {
        yield* answers;
        await gone.promise;
      })();
      return { send: async () => {}, close: async () => {}, abort: (error: Error) => gone.reject(error), messages };
    };
    const told = { accepted: () => {}, failed: (node: string, code: string) => failed.push([node, code]) };
    const sources = { origin: { node: "0xorigin" }, parents: [{ node: "0xholder" }] };
    const job = jobOf(0n, { ...sources, partTargetMs: 1_000 }, { clock, media: { openMedia }, report: told });
    const running = job.run();
    // Counted by beats, from the one that heard its answer.
    await clock.advance(2_000);
    assert.deepEqual(failed, []);
    await clock.advance(200);
    assert.deepEqual(failed, [["0xholder", "DELIVERY_PARENT_SILENT"]]);
    assert.deepEqual(await running, { code: undefined });
  });

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
