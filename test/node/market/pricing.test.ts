import assert from "node:assert/strict";
import fc from "fast-check";
import { dearestPrices, findAboveCeiling, retailPrices, wholesaleCeiling } from "../../../node/market/pricing.ts";

const price = fc.bigInt({ min: 0n, max: 10n ** 30n });
const margin = fc.integer({ min: 0, max: 20_000 });

describe("pricing", () => {
  it("adds ten per cent", () => {
    assert.deepEqual(retailPrices({ pixelH264: 2n * 10n ** 18n, ingestMs: 10n ** 22n }, 1_000), {
      pixelH264: 22n * 10n ** 17n,
      ingestMs: 11n * 10n ** 21n,
    });
  });

  it("never sells below cost and adds less than one unit by rounding", () => {
    fc.assert(
      fc.property(price, margin, (wholesale, bps) => {
        const retail = retailPrices({ ingestMs: wholesale }, bps).ingestMs!;
        const exact = wholesale * BigInt(10_000 + bps);
        assert.ok(retail * 10_000n >= exact && retail * 10_000n < exact + 10_000n);
      }),
    );
  });

  it("finds the dearest wholesale price within a retail ceiling", () => {
    fc.assert(
      fc.property(price, margin, (ceiling, bps) => {
        const most = wholesaleCeiling(ceiling, bps);
        assert.ok(retailPrices({ ingestMs: most }, bps).ingestMs! <= ceiling);
        assert.ok((most + 1n) * BigInt(10_000 + bps) > ceiling * 10_000n);
      }),
    );
  });

  it("names the unit that is above its ceiling", () => {
    assert.equal(findAboveCeiling({ ingestMs: 5n, pixelVp9: 9n }, { ingestMs: 5n, pixelVp9: 8n }), "pixelVp9");
    assert.equal(findAboveCeiling({ ingestMs: 5n, pixelVp9: 9n }, { ingestMs: 5n }), undefined);
  });

  it("takes the dearest price of each unit", () => {
    const lists = [{ ingestMs: 3n, pixelVp9: 1n }, { ingestMs: 2n }];
    assert.deepEqual(dearestPrices(lists, ["ingestMs", "pixelH264"]), { ingestMs: 3n });
  });
});
