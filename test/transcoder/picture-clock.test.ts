import assert from "node:assert/strict";
import { PictureClock } from "@leat/transcoder/picture-clock.ts";
import fc from "fast-check";

describe("transcoder/picture-clock", () => {
  it("fills missing times and starts at 0", () => {
    const clock = new PictureClock(3000);
    const times = [90_000, undefined, 96_000].map((ticks) => clock.place(ticks, undefined).pts);
    assert.deepEqual(times, [0, 3000, 6000]);
  });

  it("keeps the pauses of a variable frame rate", () => {
    const clock = new PictureClock(3000);
    const times = [0, 3000, 90_000, 93_000].map((ticks) => clock.place(ticks, 3000).pts);
    assert.deepEqual(times, [0, 3000, 90_000, 93_000]);
  });

  it("takes a broken clock's jump out", () => {
    const clock = new PictureClock(3000);
    const times = [0, 3000, 9_000_000_000, 9_000_003_000, 500, 3500].map((ticks) => clock.place(ticks, 3000).pts);
    assert.deepEqual(times, [0, 3000, 6000, 9000, 12_000, 15_000]);
  });

  it("always rises", () => {
    const inputs = fc.array(fc.option(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), { nil: undefined }));
    fc.assert(
      fc.property(inputs, (list) => {
        const clock = new PictureClock(3000);
        let last = -1;
        for (const ticks of list) {
          const { pts, duration } = clock.place(ticks, undefined);
          assert.ok(pts > last && duration > 0);
          last = pts;
        }
      }),
    );
  });
});
