import assert from "node:assert/strict";
import { ProgressCount } from "@leat/node/services/jobs/progress-count.ts";

describe("progress count", () => {
  it("goes on with the clock, at most once in 150 ms, whoever asks", () => {
    const count = new ProgressCount();
    const told = [1_000, 1_001, 1_149, 1_150, 1_299, 1_350, 9_000].map((nowMs) => [count.advance(nowMs), count.ms]);
    assert.deepEqual(told, [
      [true, 1_000],
      [false, 1_000],
      [false, 1_000],
      [true, 1_150],
      [false, 1_150],
      [true, 1_350],
      [true, 9_000],
    ]);
  });

  it("goes on where the clock is set back", () => {
    const count = new ProgressCount();
    const told = [60_000, 1_000, 1_200].map((nowMs) => [count.advance(nowMs), count.ms]);
    assert.deepEqual(told, [
      [true, 60_000],
      [true, 60_200],
      [true, 60_400],
    ]);
  });
});
