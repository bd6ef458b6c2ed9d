import assert from "node:assert/strict";
import type { DeliveryError } from "@leat/node/services/delivery/errors.ts";
import { Lateness, lateAfterMs } from "@leat/node/services/delivery/lateness.ts";
import { OriginTime } from "@leat/node/services/delivery/origin-time.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

describe("lateness of a holder", () => {
  let clock: ManualClock;
  let lateness: Lateness;
  let startMs: number;
  let reason: DeliveryError | undefined;

  beforeEach(() => {
    clock = new ManualClock();
    startMs = clock.nowMs();
    lateness = new Lateness(clock, new OriginTime(clock), { maxMs: 1_000, firstMs: 3_000 });
    reason = undefined;
    void lateness.watch().then((noticed) => {
      reason = noticed;
    });
  });

  afterEach(() => lateness.stop());

  const isLate = () => reason !== undefined;
  /** Until it is found late: how long that took. */
  async function lateAfter(): Promise<number> {
    const fromMs = clock.nowMs();
    while (!isLate()) await clock.advance(200);
    return clock.nowMs() - fromMs;
  }

  it("is found within a beat of a second behind the newest word, and never while there is a new one", async () => {
    lateness.served();
    for (let beats = 0; beats < 100; beats += 1) {
      lateness.told(clock.nowMs() - startMs);
      await clock.advance(200);
    }
    assert.equal(isLate(), false);
    assert.equal(await lateAfter(), 1_000);
    assert.equal(reason?.code, "DELIVERY_PARENT_LATE");
  });

  it("is found where words come one by one, each later than the last", async () => {
    lateness.served();
    lateness.told(0);
    // Of 200 ms of the stream each, in 300: at the tenth it is a second behind.
    for (let words = 1; words <= 9; words += 1) {
      await clock.advance(300);
      lateness.told(words * 200);
      assert.equal(isLate(), false, `${words}`);
    }
    await clock.advance(300);
    assert.equal(isLate(), true);
  });

  it("waits for the first word while later and later segments come, and from then on for none", async () => {
    await clock.advance(60_000);
    lateness.served();
    for (const ms of [2_800, 800, 800]) {
      await clock.advance(ms);
      assert.equal(isLate(), false);
      lateness.caughtUp();
    }
    lateness.told(100);
    lateness.caughtUp();
    assert.equal(await lateAfter(), 1_200);
  });

  it("is found where nothing that is new comes at all", async () => {
    lateness.served();
    assert.equal(await lateAfter(), 3_000);
  });

  it("is borne for longer the further from the origin the edge is", () => {
    assert.deepEqual(
      [1, 2, 3, 4].map((depth) => lateAfterMs(1_000, depth)),
      [1_000, 1_000, 1_800, 2_600],
    );
  });
});
