import assert from "node:assert/strict";
import { ServedBytes } from "@leat/node/services/delivery/served-bytes.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import fc from "fast-check";

const hashOf = (index: number): Hex => `0x${index.toString(16).padStart(64, "0")}`;
const partsOf = (sizes: readonly number[]) => sizes.map((sizeBytes, index) => ({ sizeBytes, sha256: hashOf(index) }));

describe("served bytes", () => {
  it("shares a range among the parts that it touches", () => {
    const served = new ServedBytes();
    served.open(1, 7, partsOf([100, 100, 50]));
    served.count(1, 7, 150, 220);
    assert.deepEqual(served.close(7), [
      { rung: 1, part: 1, frames: 0, pixels: 0n, sizeBytes: 50n, sha256: hashOf(1) },
      { rung: 1, part: 2, frames: 0, pixels: 0n, sizeBytes: 20n, sha256: hashOf(2) },
    ]);
    assert.deepEqual(served.sequences(), []);
  });

  it("counts neither what is closed nor what is beyond a segment", () => {
    const served = new ServedBytes();
    served.open(1, 7, partsOf([10]));
    served.count(1, 8, 0, 10);
    served.count(2, 7, 0, 10);
    served.count(1, 7, 10, 20);
    assert.deepEqual(served.close(7), []);
    served.count(1, 7, 0, 10);
    assert.deepEqual(served.close(7), []);
  });

  it("adds up to what went out, for any ranges", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 20 });
    const ranges = fc.array(fc.tuple(fc.nat(25_000), fc.nat(25_000)), { maxLength: 30 });
    fc.assert(
      fc.property(sizes, ranges, (partSizes, asked) => {
        const total = partSizes.reduce((sum, size) => sum + size, 0);
        const served = new ServedBytes();
        served.open(3, 0, partsOf(partSizes));
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
