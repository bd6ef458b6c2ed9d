import assert from "node:assert/strict";
import fc from "fast-check";
import { formatUnits, parseUnits } from "viem";
import {
  costExact,
  exactPerBaseUnit,
  formatAmount,
  formatPrice,
  parseAmount,
  parsePrice,
  splitExact,
  toBaseUnits,
  toExact,
  UnitsError,
} from "../../../sdk/protocol/units.ts";

const codeIs = (code: string) => (error: unknown) => error instanceof UnitsError && error.code === code;
const decimals = fc.integer({ min: 0, max: 30 });
const amount = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });

describe("units", () => {
  it("reads a price of a whole token: 10^-12 USDC is 10^18", () => {
    assert.equal(parsePrice("0.000000000001"), 10n ** 18n);
    assert.equal(formatPrice(10n ** 18n), "0.000000000001");
    assert.equal(parsePrice("0.00000001"), 10n ** 22n);
  });

  it("costs a second of 854x480 at 2 * 10^-12 USDC a pixel as documented", () => {
    const cost = costExact(parsePrice("0.000000000002"), 854n * 480n * 30n);
    assert.deepEqual(splitExact(cost, 6), { baseUnits: 24n, restExact: 595_200n * 10n ** 18n });
  });

  it("does not round a storage price of $0.004 per GB-month", () => {
    const price = (4n * 10n ** 27n) / (10n ** 9n * 2_592_000n);
    const month = costExact(price, 10n ** 9n * 2_592_000n);
    assert.ok(toBaseUnits(month + exactPerBaseUnit(6), 6) >= 4_000n);
    assert.ok(price > 10n ** 12n);
  });

  it("loses nothing when the rest is carried", () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: 10n ** 40n }), { maxLength: 30 }), decimals, (costs, places) => {
        let rest = 0n;
        let paid = 0n;
        for (const cost of costs) {
          const split = splitExact(cost + rest, places);
          assert.ok(split.restExact < exactPerBaseUnit(places));
          rest = split.restExact;
          paid += split.baseUnits;
        }
        assert.equal(
          toExact(paid, places) + rest,
          costs.reduce((sum, cost) => sum + cost, 0n),
        );
      }),
    );
  });

  it("parses and formats as viem does", () => {
    fc.assert(
      fc.property(amount, decimals, (value, places) => {
        const text = formatAmount(value, places);
        assert.equal(text, formatUnits(value, places));
        assert.equal(parseAmount(text, places), value);
        assert.equal(parseUnits(text, places), value);
      }),
    );
    assert.equal(formatAmount(-1_250_000n, 6), "-1.25");
  });

  for (const text of ["", ".5", "5.", "1e6", "-1", "+1", "1,5", "0x10", "NaN", "1 000", "9".repeat(91)]) {
    it(`refuses ${JSON.stringify(text)} as USDC`, () => {
      assert.throws(() => parseAmount(text, 6), codeIs("UNITS_AMOUNT_INVALID"));
    });
  }

  it("tells an amount that the token cannot hold from one that nobody can read", () => {
    assert.throws(() => parseAmount("1.0000001", 6), codeIs("UNITS_AMOUNT_TOO_FINE"));
    const most = formatAmount(2n ** 256n - 1n, 6);
    assert.equal(parseAmount(most, 6), 2n ** 256n - 1n);
    assert.throws(() => parseAmount(formatAmount(2n ** 256n, 6), 6), codeIs("UNITS_AMOUNT_TOO_LARGE"));
  });

  it("refuses decimals beyond what an exact amount can hold", () => {
    for (const places of [-1, 31, 1.5]) {
      assert.throws(() => toBaseUnits(1n, places), codeIs("UNITS_DECIMALS_INVALID"));
      assert.throws(() => parseAmount("1", places), codeIs("UNITS_DECIMALS_INVALID"));
      assert.throws(() => formatAmount(1n, places), codeIs("UNITS_DECIMALS_INVALID"));
    }
  });

  it("refuses negative money", () => {
    assert.throws(() => splitExact(-1n, 6), codeIs("UNITS_AMOUNT_NEGATIVE"));
    assert.throws(() => toExact(-1n, 6), codeIs("UNITS_AMOUNT_NEGATIVE"));
    assert.throws(() => costExact(-1n, 1n), codeIs("UNITS_AMOUNT_NEGATIVE"));
    assert.throws(() => costExact(1n, -1n), codeIs("UNITS_AMOUNT_NEGATIVE"));
  });
});
