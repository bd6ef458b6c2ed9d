import assert from "node:assert/strict";
import fc from "fast-check";
import { canLoseExact, fitEntries, Ledger, nextCumulative } from "../../../node/metering/ledger.ts";
import { toBaseUnits, toExact } from "../../../sdk/protocol/units.ts";

const exact = () => fc.bigInt({ min: 0n, max: 10n ** 36n });
const decimals = fc.constantFrom(6, 18);

describe("ledger", () => {
  it("counts work beyond the vouchers as unpaid and vouchers beyond the work as credit", () => {
    const ledger = new Ledger({ decimals: 6, bookedExact: 0n, vouchered: 3n });
    ledger.book(toExact(24n, 7));
    assert.equal(ledger.unpaidExact, 0n);
    assert.equal(ledger.creditExact, toExact(6n, 7));
    ledger.book(toExact(12n, 7));
    assert.equal(ledger.unpaidExact, toExact(6n, 7));
    assert.equal(nextCumulative(ledger.bookedExact, 3n, 6), 3n);
  });

  it("remembers the largest unpaid amount and gives back what is forfeited", () => {
    const ledger = new Ledger({ decimals: 6, bookedExact: 0n, vouchered: 0n });
    ledger.book(10n);
    ledger.forfeit(4n);
    assert.deepEqual([ledger.unpaidExact, ledger.largestUnpaidExact], [6n, 10n]);
    assert.throws(() => ledger.forfeit(7n), { code: "METERING_FORFEIT_TOO_LARGE" });
  });

  it("refuses a total that falls", () => {
    const ledger = new Ledger({ decimals: 6, bookedExact: 0n, vouchered: 5n });
    assert.throws(() => ledger.cover(4n), { code: "METERING_VOUCHERED_FELL" });
  });

  it("never loses a base unit to rounding, however often it rounds", () => {
    fc.assert(
      fc.property(decimals, fc.array(exact(), { maxLength: 60 }), (places, amounts) => {
        let [sum, cumulative] = [0n, 0n];
        for (const amount of amounts) {
          sum += amount;
          const next = nextCumulative(sum, cumulative, places);
          assert.ok(next >= cumulative);
          assert.ok(sum - toExact(next, places) < toExact(1n, places));
          cumulative = next;
        }
        assert.equal(cumulative, toBaseUnits(sum, places));
      }),
    );
  });

  it("keeps unpaid and credit exclusive, and their difference exact", () => {
    const step = fc.oneof(
      exact().map((amount) => ({ book: amount })),
      fc.bigInt({ min: 0n, max: 10n ** 12n }).map((amount) => ({ cover: amount })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const ledger = new Ledger({ decimals: 6, bookedExact: 0n, vouchered: 0n });
        for (const one of steps) {
          if ("book" in one) ledger.book(one.book);
          else ledger.cover(ledger.vouchered + one.cover);
          assert.ok(ledger.unpaidExact === 0n || ledger.creditExact === 0n);
          assert.equal(ledger.unpaidExact - ledger.creditExact, ledger.bookedExact - toExact(ledger.vouchered, 6));
          assert.ok(ledger.largestUnpaidExact >= ledger.unpaidExact);
        }
      }),
    );
  });

  it("bounds what can be lost by credit and by vouchers without reserve", () => {
    const state = { decimals: 6, creditLimitExact: 10n, unpaidExact: 4n, vouchered: 9n, collected: 4n, reserve: 5n };
    assert.equal(canLoseExact(state), 10n);
    assert.equal(canLoseExact({ ...state, reserve: 3n }), 10n + toExact(2n, 6));
    assert.equal(canLoseExact({ ...state, unpaidExact: 12n }), 12n);
  });

  it("fits into a voucher what it has room for, past what it has not, to the last base unit", () => {
    const entries = [3n, 9n, 4n, 3n].map((units) => ({ exact: toExact(units, 6) }));
    const room = { settledExact: toExact(90n, 6), most: 100n, decimals: 6 };
    assert.deepEqual(fitEntries(entries, room), [entries[0], entries[2], entries[3]]);
    const carried = { ...room, settledExact: room.settledExact + toExact(1n, 6) - 1n };
    assert.deepEqual(fitEntries(entries, carried), [entries[0], entries[2], entries[3]]);
    assert.deepEqual(fitEntries(entries, { ...room, settledExact: toExact(91n, 6) }), [entries[0], entries[2]]);
  });
});
