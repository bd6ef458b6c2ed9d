import assert from "node:assert/strict";
import fc from "fast-check";
import { HoldBack, holdBackWindow } from "../../../node/metering/hold-back.ts";

describe("hold-back", () => {
  it("has a window of ceil(1 / rate) segments", () => {
    assert.deepEqual([1, 0.5, 0.3, 0.05].map(holdBackWindow), [1, 2, 4, 20]);
    for (const rate of [0, -1, 1.1, Number.NaN]) {
      assert.throws(() => holdBackWindow(rate), { code: "METERING_SAMPLING_RATE_INVALID" });
    }
  });

  it("waits for each segment's own check where every segment is checked", () => {
    const held = new HoldBack(1);
    assert.deepEqual(held.add(1n, 10n), []);
    assert.deepEqual(held.add(2n, 10n), []);
    assert.deepEqual(held.pass(2n), [2n]);
    assert.equal(held.waitingExact, 10n);
    assert.deepEqual(held.pass(1n), [1n]);
    assert.deepEqual(held.pass(1n), []);
  });

  it("keeps the newest 20 where one in 20 is checked", () => {
    const held = new HoldBack(0.05);
    for (let seq = 0n; seq < 20n; seq += 1n) assert.deepEqual(held.add(seq, 1n), []);
    assert.deepEqual(held.add(20n, 1n), [0n]);
    assert.deepEqual(held.add(21n, 1n), [1n]);
    assert.equal(held.waitingExact, 20n);
  });

  it("gives the rest free at the attempt's end, unchecked segments only where not every one is checked", () => {
    const sampled = new HoldBack(0.05);
    sampled.add(1n, 1n);
    assert.deepEqual(sampled.release(), [1n]);
    assert.deepEqual(sampled.add(2n, 1n), [2n]);
    const checked = new HoldBack(1);
    checked.add(1n, 1n);
    assert.deepEqual(checked.release(), []);
    assert.deepEqual(checked.pass(1n), [1n]);
  });

  it("forfeits all that waits, and nothing of that attempt is paid afterwards", () => {
    const held = new HoldBack(0.5);
    for (const seq of [1n, 2n, 3n]) held.add(seq, 5n);
    assert.deepEqual(held.forfeit(), { seqs: [2n, 3n], exact: 10n });
    assert.deepEqual(held.add(4n, 5n), []);
    assert.deepEqual(held.release(), []);
    assert.equal(held.state, "forfeited");
  });

  it("pays every segment at most once, and all but the newest window, in any order", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0.05, 0.25, 0.5),
        fc.uniqueArray(fc.integer({ min: 0, max: 500 }), { maxLength: 120 }),
        (rate, seqs) => {
          const held = new HoldBack(rate);
          const paid = seqs.flatMap((seq) => held.add(BigInt(seq), 1n));
          assert.equal(new Set(paid).size, paid.length);
          const newest = seqs.toSorted((left, right) => right - left).slice(0, holdBackWindow(rate));
          assert.deepEqual(new Set(paid), new Set(seqs.filter((seq) => !newest.includes(seq)).map(BigInt)));
          assert.equal(held.release().length, newest.length);
        },
      ),
    );
  });
});
