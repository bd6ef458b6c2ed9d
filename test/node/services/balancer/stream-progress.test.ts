import assert from "node:assert/strict";
import { StreamProgress } from "@leat/node/services/balancer/stream-progress.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";

const stream: Hex = `0x${"11".repeat(32)}`;

describe("progress of a stream", () => {
  let progress: StreamProgress;

  beforeEach(() => {
    progress = new StreamProgress({ jobStore: {} as never }, { find: async () => undefined });
  });

  const isBehind = (sequence: number | null, late: number[] = []) => progress.isBehind(stream, { sequence, late }, 2);

  it("tells who serves less of it than was published, and of nobody before anything was", () => {
    assert.equal(isBehind(null), false);
    for (const sequence of [0, 1]) progress.note(stream, 1, sequence);
    assert.deepEqual([isBehind(null), isBehind(0)], [false, false]);
    progress.note(stream, 1, 2);
    assert.deepEqual([isBehind(null), isBehind(0)], [true, false]);
  });

  it("tells who lacks a rung that goes on, and not who lacks one that nobody makes", () => {
    for (const sequence of [0, 1, 2, 3]) progress.note(stream, 1, sequence);
    for (const sequence of [0, 1]) progress.note(stream, 2, sequence);
    assert.deepEqual([isBehind(3, [2]), isBehind(3, [7]), isBehind(3)], [false, false, false]);
    progress.note(stream, 2, 2);
    assert.deepEqual([isBehind(3, [2]), isBehind(3, [7, 2])], [true, true]);
  });
});
