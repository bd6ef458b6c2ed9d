import assert from "node:assert/strict";
import { WallClock } from "@leat/node/media/wall-clock.ts";
import fc from "fast-check";

const second = 90_000;

describe("wall clock", () => {
  it("tells a steady publisher's boundaries as they arrive", () => {
    const clock = new WallClock();
    const told = [0, 1, 2, 3].map((at) => clock.tell(0, second + at * 2 * second, 1_000_000 + at * 2_000));
    assert.deepEqual(told, [1_000_000, 1_002_000, 1_004_000, 1_006_000]);
  });

  it("moves little with a burst, and begins anew with an epoch", () => {
    const clock = new WallClock();
    clock.tell(0, second, 1_000_000);
    assert.equal(clock.tell(0, 3 * second, 1_005_000), 1_002_040);
    assert.equal(clock.tell(0, 5 * second, 1_007_100), 1_004_080);
    assert.equal(clock.tell(1, second, 1_020_000), 1_020_000);
    // A source that is sent faster than it plays was told ahead of its arrival.
    assert.equal(clock.tell(2, second, 1_019_000), 1_020_000);
  });

  it("follows a clock that runs away, both ways", () => {
    for (const rate of [0.999, 1.001]) {
      const clock = new WallClock();
      for (let at = 0; at < 2_000; at += 1) {
        const arrivalMs = Math.round(at * 2_000 * rate);
        assert.ok(Math.abs(clock.tell(0, at * 2 * second, arrivalMs) - arrivalMs) <= 2);
      }
    }
  });

  it("never goes back, and is never far from the media's own pace", () => {
    const step = fc.record({ ticks: fc.integer({ min: 1, max: 4 * second }), arrivalMs: fc.nat(1_000_000) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 2 }), (steps) => {
        const clock = new WallClock();
        let [pts, last] = [0, undefined as number | undefined];
        for (const { ticks, arrivalMs } of steps) {
          pts += ticks;
          const told = clock.tell(0, pts, arrivalMs);
          if (last !== undefined) assert.ok(Math.abs(told - last - ticks / 90) <= (0.02 * ticks) / 90 + 1);
          last = told;
        }
      }),
    );
  });
});
