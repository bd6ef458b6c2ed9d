import assert from "node:assert/strict";
import fc from "fast-check";
import { bounceWeight, isPayerTaken, payerScorePpm } from "../../../node/market/payer-reputation.ts";

const day = 86_400n;
const now = 1_000n * day;
const fresh = { atSeconds: now, madeGood: false };

describe("payer reputation", () => {
  it("says what its example says", () => {
    assert.equal(payerScorePpm([], now), 1_000_000);
    assert.equal(payerScorePpm([fresh], now), 750_000);
    assert.equal(payerScorePpm([fresh], now + 30n * day), 857_142);
    assert.equal(payerScorePpm([{ ...fresh, madeGood: true }], now), 923_076);
    assert.equal(payerScorePpm([fresh, fresh, fresh], now), 500_000);
  });

  it("halves a bounce every 30 days and forgets it in the end", () => {
    const weights = [0n, 15n, 30n, 45n, 60n, 600n].map((days) => bounceWeight(fresh, now + days * day));
    assert.deepEqual(weights, [1_000_000n, 750_000n, 500_000n, 375_000n, 250_000n, 0n]);
    // A clock that is behind the chain makes nothing heavier than fresh.
    assert.equal(bounceWeight(fresh, now - day), 1_000_000n);
  });

  it("refuses below a score, and above a number that were not made good", () => {
    const policy = { leastScorePpm: 750_000, maxBounces: 1 };
    assert.equal(isPayerTaken([fresh], now, policy), true);
    assert.equal(isPayerTaken([fresh, { ...fresh, madeGood: true }], now, policy), false);
    const old = { ...fresh, atSeconds: 0n };
    assert.equal(isPayerTaken([old, old], now, policy), false);
    assert.equal(isPayerTaken([old, { ...old, madeGood: true }], now, policy), true);
    assert.equal(isPayerTaken([fresh], now, { leastScorePpm: 1_000_000, maxBounces: 9 }), false);
  });

  const bounce = fc.record({ atSeconds: fc.bigInt({ min: 0n, max: now }), madeGood: fc.boolean() });
  it("only falls with bounces and only rises with time, in any order", () => {
    fc.assert(
      fc.property(
        fc.array(bounce, { maxLength: 20 }),
        bounce,
        fc.bigInt({ min: 0n, max: now }),
        (list, more, later) => {
          const score = payerScorePpm(list, now);
          assert.ok(score > 0 && score <= 1_000_000);
          assert.ok(payerScorePpm([...list, more], now) <= score);
          assert.ok(payerScorePpm(list, now + later) >= score);
          assert.equal(payerScorePpm(list.toReversed(), now), score);
        },
      ),
    );
  });
});
