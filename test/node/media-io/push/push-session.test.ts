import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { pushOptions } from "@leat/node/media-io/push/options.ts";
import { PushSession, type Upload } from "@leat/node/media-io/push/push-session.ts";
import fc from "fast-check";
import { defaultsOf } from "../../../support/defaults.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { makeTsSegments } from "../../../support/push-server.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";
import { H264 } from "../../../support/ts-files.ts";

const COUNT = 6;

describe("a pushed stream", function () {
  this.timeout(60_000);
  let uploads: Upload[];

  before(async () => {
    const pictures = ["-f", "lavfi", "-i", `testsrc2=size=32x32:rate=5:duration=${COUNT}`];
    const segments = await makeTsSegments(...pictures, ...H264, "-g", "5");
    assert.equal(segments.length, COUNT);
    uploads = segments.map((bytes) => ({ bytes, digest: createHash("sha256").update(bytes).digest("hex") }));
  });

  it("is taken once and in order, however its segments come, end and come again", async () => {
    const orders = fc.shuffledSubarray(
      Array.from({ length: COUNT }, (_, number) => number),
      { minLength: COUNT },
    );
    const repeated = fc.array(fc.nat(COUNT - 1), { maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(orders, orders, repeated, fc.nat(3), async (begun, ended, again, step) => {
        const sink = new RecorderSink();
        const clock = new ManualClock();
        const session = new PushSession({ sink, clock, onOver: () => {} }, defaultsOf(pushOptions));
        // Numbers may leave some out, and all that is on its way is waited for.
        const numberOf = (segment: number) => segment * (step + 1);
        const arrivals = [...begun, ...again].map((segment) => ({ segment, came: Promise.withResolvers<Upload>() }));
        const pushed = arrivals.map(({ segment, came }) => session.push(numberOf(segment), () => came.promise));
        for (const segment of [...ended, ...ended]) {
          for (const arrival of arrivals) if (arrival.segment === segment) arrival.came.resolve(uploads[segment]!);
          await new Promise((resolve) => setImmediate(resolve));
        }
        while (sink.segmentsMs.length < COUNT) await clock.advance(defaultsOf(pushOptions).reorderMs);
        const taken = await Promise.all(pushed);
        assert.deepEqual(
          taken.map(({ number }) => number),
          arrivals.map(({ segment }) => numberOf(segment)),
        );
        const times = sink.videos.map(({ dtsMs }) => dtsMs);
        assert.equal(times.length, COUNT * 5);
        assert.deepEqual(
          times,
          times.toSorted((left, right) => left - right),
        );
      }),
      { numRuns: 60 },
    );
  });

  it("waits no longer for one that does not come, also where a timer goes off before the clock shows its time", async () => {
    const sink = new RecorderSink();
    const clock = new ManualClock();
    const startMs = clock.nowMs();
    const early = {
      nowMs: () => Math.max(startMs, clock.nowMs() - 1),
      sleep: (ms: number, signal?: AbortSignal) => clock.sleep(ms, signal),
    };
    const session = new PushSession({ sink, clock: early, onOver: () => {} }, defaultsOf(pushOptions));
    await session.push(0, async () => uploads[0]!);
    const next = session.push(2, async () => uploads[2]!);
    while (clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(defaultsOf(pushOptions).reorderMs);
    assert.equal((await next).number, 2);
  });
});
