import assert from "node:assert/strict";
import { Pacer, Throttle } from "@leat/node/media-io/pull/pacing.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const never = new AbortController().signal;

describe("pacing of pulled media", () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = new ManualClock();
  });

  /** When each of these times of a source passes, milliseconds from now. */
  async function passed(times: readonly number[], aheadMs: number): Promise<number[]> {
    const pacer = new Pacer(clock, aheadMs);
    const start = clock.nowMs();
    const found: number[] = [];
    for (const time of times) {
      let isOver = false;
      const waiting = pacer.wait(time, never).then(() => {
        isOver = true;
      });
      while (!isOver) await clock.advance(1);
      await waiting;
      found.push(clock.nowMs() - start);
    }
    return found;
  }

  it("lets media pass at its own pace, as far ahead as it may be", async () => {
    const at = await passed([5_000, 6_000, 7_000, 8_000, 9_000], 2_000);
    assert.deepEqual(
      at.map((ms) => Math.round(ms / 100)),
      [0, 0, 0, 10, 20],
    );
  });

  it("begins anew where the source's clock jumps", async () => {
    const at = await passed([5_000, 8_000, 900_000, 903_000, 0, 3_000], 2_000);
    assert.deepEqual(
      at.map((ms) => Math.round(ms / 100)),
      [0, 10, 10, 20, 20, 30],
    );
  });

  it("gives back no time that was lost for long", async () => {
    const pacer = new Pacer(clock, 1_000);
    await pacer.wait(0, never);
    await clock.advance(60_000);
    await pacer.wait(1_000, never);
    let isOver = false;
    const waiting = pacer.wait(4_000, never).then(() => {
      isOver = true;
    });
    await clock.advance(1_900);
    assert.equal(isOver, false);
    await clock.advance(200);
    await waiting;
  });

  it("slows reading down to so many bytes a second", async () => {
    const throttle = new Throttle(clock, 1_000);
    const start = clock.nowMs();
    for (let read = 0; read < 5; read += 1) {
      let isOver = false;
      const taking = throttle.take(1_000, never).then(() => {
        isOver = true;
      });
      while (!isOver) await clock.advance(10);
      await taking;
    }
    // The first second's worth is there at once.
    const tookMs = clock.nowMs() - start;
    assert.ok(tookMs >= 4_000 && tookMs < 4_200, `${tookMs}`);
  });
});
