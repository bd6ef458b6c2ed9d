import assert from "node:assert/strict";
import fc from "fast-check";
import {
  creditLimitExact,
  freeReserve,
  holdBackExact,
  leastCreditExact,
  prepayBaseUnits,
} from "../../../node/metering/credit.ts";
import { toExact } from "../../../sdk/protocol/units.ts";

const amount = (max = 10n ** 36n) => fc.bigInt({ min: 0n, max });

describe("credit", () => {
  it("grows with paid history from the least limit to four times of it", () => {
    const facts = { exactPerSecond: 100n, holdBackExact: 200n, paidExact: 0n };
    assert.equal(creditLimitExact(facts), 6_200n);
    assert.equal(creditLimitExact({ ...facts, paidExact: 30_000n }), 9_200n);
    assert.equal(creditLimitExact({ ...facts, paidExact: 1_000_000n }), 24_800n);
  });

  it("is never below the hold-back plus 60 s, and never falls when more was paid", () => {
    fc.assert(
      fc.property(amount(), amount(), amount(), amount(), (exactPerSecond, held, paid, more) => {
        const facts = { exactPerSecond, holdBackExact: held, paidExact: paid };
        const limit = creditLimitExact(facts);
        assert.ok(limit >= leastCreditExact(facts));
        assert.equal(leastCreditExact(facts), held + 60n * exactPerSecond);
        assert.ok(creditLimitExact({ ...facts, paidExact: paid + more }) >= limit);
      }),
    );
  });

  it("asks for 10 s ahead in whole base units, rounded up, and at least for one", () => {
    assert.equal(prepayBaseUnits(0n, 6), 1n);
    assert.equal(prepayBaseUnits(toExact(2n, 6), 6), 20n);
    fc.assert(
      fc.property(amount(), fc.constantFrom(6, 18), (exactPerSecond, decimals) => {
        const prepaid = toExact(prepayBaseUnits(exactPerSecond, decimals), decimals);
        assert.ok(prepaid >= 10n * exactPerSecond);
        assert.ok(prepaid - 10n * exactPerSecond <= toExact(1n, decimals));
      }),
    );
  });

  it("holds back as many segments as the window has", () => {
    assert.equal(holdBackExact(1_000n, 4_000, 1), 4_000n);
    assert.equal(holdBackExact(1_000n, 4_000, 20), 80_000n);
  });

  it("counts as free only the reserve that no voucher claims yet", () => {
    assert.equal(freeReserve({ reserve: 10n, vouchered: 7n, collected: 3n }), 6n);
    assert.equal(freeReserve({ reserve: 2n, vouchered: 7n, collected: 3n }), 0n);
    assert.equal(freeReserve({ reserve: 2n, vouchered: 0n, collected: 3n }), 2n);
  });
});
