import assert from "node:assert/strict";
import { ServedBytes } from "@leat/node/services/delivery/served-bytes.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import fc from "fast-check";

const hashOf = (index: number): Hex => `0x${index.toString(16).padStart(64, "0")}`;
const partsOf = (sizes: readonly number[]) =>
  sizes.map((sizeBytes, index) => ({
    sizeBytes,
    sha256: hashOf(index),
    startTicks: 1_000 + index * 100,
    durationTicks: 100,
  }));

describe("served bytes", () => {
  it("shares a range among the parts that it touches", () => {
    const served = new ServedBytes();
    for (const part of partsOf([100, 100, 50])) served.add(1, 7, part);
    served.count(1, 7, 150, 220);
    assert.deepEqual(served.close(7), [
      { rung: 1, part: 1, frames: 0, pixels: 0n, sizeBytes: 50n, sha256: hashOf(1) },
      { rung: 1, part: 2, frames: 0, pixels: 0n, sizeBytes: 20n, sha256: hashOf(2) },
    ]);
    assert.deepEqual(served.sequences(), []);
  });

  it("counts neither what is closed nor what is beyond a segment", () => {
    const served = new ServedBytes();
    for (const part of partsOf([10])) served.add(1, 7, part);
    served.count(1, 8, 0, 10);
    served.count(2, 7, 0, 10);
    served.count(1, 7, 10, 20);
    assert.deepEqual(served.close(7), []);
    served.count(1, 7, 0, 10);
    assert.deepEqual(served.close(7), []);
  });

  it("counts frames in the part that shows them, those that went out before it was whole too", () => {
    const served = new ServedBytes();
    served.countFrame(1, 7, 1_000, 40);
    served.countFrame(1, 7, 1_099, 2);
    served.countFrame(1, 7, 1_199, 3);
    served.countFrame(1, 7, 1_000, 40);
    // Of another rung, and of a segment that never comes.
    served.countFrame(2, 7, 1_000, 40);
    served.countFrame(1, 8, 1_000, 40);
    const [first, ...rest] = partsOf([100, 100, 50]);
    served.add(1, 7, first!);
    // Of the part that is not whole yet.
    served.countFrame(1, 7, 1_100, 7);
    for (const part of rest) served.add(1, 7, part);
    served.countFrame(1, 7, 1_250, 5);
    served.countFrame(1, 7, 999, 6);
    assert.deepEqual(
      served.close(7).map(({ rung, part, sizeBytes }) => [rung, part, sizeBytes]),
      [
        [1, 0, 82n],
        [1, 1, 10n],
        [1, 2, 5n],
      ],
    );
  });

  it("holds a bounded number of frames whose segments do not come", () => {
    const served = new ServedBytes();
    for (let sequence = 0; sequence < 100; sequence += 1) {
      for (let pts = 0; pts < 2_000; pts += 1) served.countFrame(1, sequence, pts, 1);
    }
    const part = { sizeBytes: 1, sha256: hashOf(0), startTicks: 0, durationTicks: 2_000 };
    for (const sequence of [0, 99]) served.add(1, sequence, part);
    assert.deepEqual([served.close(0).length, served.close(99)[0]?.sizeBytes], [0, 1_024n]);
  });

  it("adds up to what went out, for any ranges", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 20 });
    const ranges = fc.array(fc.tuple(fc.nat(25_000), fc.nat(25_000)), { maxLength: 30 });
    fc.assert(
      fc.property(sizes, ranges, (partSizes, asked) => {
        const total = partSizes.reduce((sum, size) => sum + size, 0);
        const served = new ServedBytes();
        for (const part of partsOf(partSizes)) served.add(3, 0, part);
        let wanted = 0;
        for (const [left, right] of asked) {
          const [from, to] = [Math.min(left, right), Math.max(left, right)];
          served.count(3, 0, from, to);
          wanted += Math.max(0, Math.min(to, total) - from);
        }
        const found = served.close(0).reduce((sum, leaf) => sum + leaf.sizeBytes, 0n);
        assert.equal(found, BigInt(wanted));
      }),
    );
  });
});
