import assert from "node:assert/strict";
import { LossWatch } from "@leat/node/media-io/whep/loss-watch.ts";

describe("loss watch", () => {
  it("tells of a way that loses a third for seconds", () => {
    const watch = new LossWatch();
    const heard = [0, 1, 2, 3, 4, 5, 6].map((second) =>
      watch.hear({ lost: 30 * second, highest: 90 * second }, second * 1_000),
    );
    assert.deepEqual(heard, [false, false, false, true, false, false, true]);
  });

  it("takes packets that are late for late, however many of one report they are", () => {
    const watch = new LossWatch();
    // Each second half of what was sent overtook the other half, which is there in the next report.
    for (let tenth = 0; tenth < 600; tenth += 1) {
      const lost = tenth % 2 === 0 ? 0 : 4;
      assert.equal(watch.hear({ lost, highest: 8 * tenth }, tenth * 100), false);
    }
  });

  it("counts over the wrap, says nothing of a few packets, and hears of packets that came twice", () => {
    const wrapping = new LossWatch();
    wrapping.hear({ lost: 5, highest: 2 ** 32 - 50 }, 0);
    assert.equal(wrapping.hear({ lost: 55, highest: 50 }, 3_000), true);
    const few = new LossWatch();
    few.hear({ lost: 0, highest: 0 }, 0);
    assert.equal(few.hear({ lost: 10, highest: 12 }, 3_000), false);
    const twice = new LossWatch();
    twice.hear({ lost: 0, highest: 0 }, 0);
    assert.equal(twice.hear({ lost: -40, highest: 100 }, 3_000), false);
  });
});
