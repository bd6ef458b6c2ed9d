import assert from "node:assert/strict";
import fc from "fast-check";
import { type DeliveryGrant, freeBytes, grantLeft, raiseGrant } from "../../../node/metering/delivery-grants.ts";

describe("metering/delivery-grants", () => {
  const serving = (granted: bigint, paid: bigint): DeliveryGrant => ({ granted, paid, endedAtMs: null });

  it("grants a part of what is free, and another one when half of it is used", () => {
    const first = raiseGrant(0n, 0n, 1_600n);
    const second = raiseGrant(0n, 0n, freeBytes(1_600n, [serving(first, 0n)], 0));
    assert.deepEqual([first, second], [100n, 94n]);
    const free = freeBytes(1_600n, [serving(first, 0n), serving(second, 0n)], 0);
    assert.deepEqual([raiseGrant(first, 40n, free), raiseGrant(first, 60n, free)], [100n, 148n]);
  });

  it("covers all that an edge served while anything is free, and grants nothing where nothing is", () => {
    assert.equal(raiseGrant(100n, 900n, 1_000n), 913n);
    assert.equal(raiseGrant(100n, 900n, 300n), 400n);
    assert.deepEqual([raiseGrant(0n, 0n, 0n), raiseGrant(7n, 7n, 0n)], [0n, 7n]);
  });

  it("holds what an edge was granted for a minute after its end", () => {
    const ended = { granted: 100n, paid: 30n, endedAtMs: 1_000 };
    assert.deepEqual([grantLeft(ended, 60_999), grantLeft(ended, 61_000)], [70n, 0n]);
    assert.deepEqual([freeBytes(500n, [ended], 60_999), freeBytes(500n, [ended], 61_000)], [400n, 470n]);
  });

  it("never grants more than there is, whoever serves how much", () => {
    const step = fc.record({ edge: fc.nat(4), served: fc.bigInt(0n, 500n) });
    fc.assert(
      fc.property(fc.bigInt(0n, 5_000n), fc.array(step, { maxLength: 60 }), (budget, steps) => {
        const edges = new Map<number, DeliveryGrant>();
        for (const { edge, served } of steps) {
          const { granted, paid } = edges.get(edge) ?? serving(0n, 0n);
          const raised = raiseGrant(granted, paid + served, freeBytes(budget, [...edges.values()], 0));
          const left = raised - paid;
          const isWhole = served <= left;
          edges.set(edge, serving(raised, paid + (isWhole ? served : left)));
          const all = [...edges.values()].reduce((sum, grant) => sum + grant.granted, 0n);
          assert.ok(raised >= granted && all <= budget);
          // Nobody serves for nothing while something is free.
          if (!isWhole) assert.equal(freeBytes(budget, [...edges.values()], 0), 0n);
        }
      }),
    );
  });
});
