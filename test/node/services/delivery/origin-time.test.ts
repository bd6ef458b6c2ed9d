import assert from "node:assert/strict";
import { OriginTime } from "@leat/node/services/delivery/origin-time.ts";

describe("time of an origin", () => {
  let nowMs: number;
  let time: OriginTime;

  beforeEach(() => {
    nowMs = 1_700_000_000_000;
    time = new OriginTime({ nowMs: () => nowMs });
  });

  function pass(ms: number): void {
    for (let left = ms; left > 0; left -= 200) {
      nowMs += Math.min(left, 200);
      time.ageMs(0);
    }
  }
  const age = (atMs: number) => Math.round(time.ageMs(atMs));

  it("takes the word that came the fastest for one without a delay, and others for as old as they are behind it", () => {
    pass(100);
    time.heard(5_000);
    pass(1_200);
    time.heard(5_200);
    assert.deepEqual([age(5_200), age(5_000)], [999, 1_199]);
    time.heard(6_300);
    assert.deepEqual([age(6_300), age(6_200)], [0, 100]);
  });

  it("takes no jump of this machine's clock for a delay, nor what it stood still itself", () => {
    time.heard(1_000);
    nowMs += 3_600_000;
    assert.equal(age(1_000), 400);
    nowMs -= 7_200_000;
    assert.equal(age(1_000), 400);
    pass(200);
    time.heard(1_600);
    assert.equal(age(1_600), 0);
  });

  it("takes a clock that is a little slower than this one for no delay, however long that goes on", () => {
    for (let atMs = 0; atMs < 3_600_000; atMs += 200 * 0.9995) {
      time.heard(atMs);
      assert.ok(age(atMs) <= 1);
      nowMs += 200;
    }
  });

  it("begins anew with another origin", () => {
    time.heard(1_000_000);
    pass(400);
    time.forget();
    time.heard(5);
    assert.equal(age(5), 0);
  });
});
