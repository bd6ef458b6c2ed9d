import assert from "node:assert/strict";
import fc from "fast-check";
import { gasOfClaim } from "../../../node/metering/collect-rule.ts";
import { claimsWithinBudget, isWorthRescue, watchDueMs } from "../../../node/metering/watch-rule.ts";

const hour = 3_600_000;

describe("watch rule", () => {
  it("says what its example says", () => {
    assert.equal(watchDueMs({ seenAtMs: 0, endsAtMs: 7 * 24 * hour, graceMs: hour }), hour);
    assert.equal(watchDueMs({ seenAtMs: 22 * hour, endsAtMs: 24 * hour, graceMs: hour }), 22.5 * hour);
    assert.equal(watchDueMs({ seenAtMs: 30 * hour, endsAtMs: 24 * hour, graceMs: hour }), 30 * hour);
  });

  it("leaves at least three quarters of what is left of a thaw, and the payee its grace where there is time", () => {
    const time = fc.integer({ min: 0, max: 10 ** 12 });
    fc.assert(
      fc.property(time, time, time, (seenAtMs, endsAtMs, graceMs) => {
        const due = watchDueMs({ seenAtMs, endsAtMs, graceMs });
        const left = Math.max(0, endsAtMs - seenAtMs);
        assert.ok(due >= seenAtMs && due <= seenAtMs + left / 4 && due <= seenAtMs + graceMs);
        if (graceMs <= left / 4) assert.equal(due, seenAtMs + graceMs);
      }),
    );
  });

  it("spends no gas on less than the least amount or than the gas itself", () => {
    const token = { perNative: 3_000n * 10n ** 6n, leastAmount: 10_000n };
    const facts = { token, claims: 1, weiPerGas: 10n ** 8n };
    // 62,000 gas at 0.1 gwei and 3,000 USDC: 18,600 base units.
    assert.equal(isWorthRescue({ ...facts, open: 18_600n }), false);
    assert.equal(isWorthRescue({ ...facts, open: 18_601n }), true);
    const cheap = { ...facts, token: { perNative: undefined, leastAmount: 10_000n } };
    assert.deepEqual(
      [9_999n, 10_000n].map((open) => isWorthRescue({ ...cheap, open })),
      [false, true],
    );
  });

  it("never takes more claims than the budget pays for, nor fewer than it could", () => {
    const wei = fc.bigInt({ min: 0n, max: 10n ** 18n });
    fc.assert(
      fc.property(
        wei,
        fc.bigInt({ min: 1n, max: 10n ** 11n }),
        fc.integer({ min: 0, max: 50 }),
        (left, price, wanted) => {
          const claims = claimsWithinBudget(left, price, wanted);
          const cost = (of: number) => gasOfClaim(of) * BigInt(of) * price;
          assert.ok(claims === 0 || cost(claims) <= left);
          assert.ok(claims === wanted || cost(claims + 1) > left);
        },
      ),
    );
  });
});
