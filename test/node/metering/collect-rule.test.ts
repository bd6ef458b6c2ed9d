import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import {
  type CollectFacts,
  claimsWithin,
  costInToken,
  decideToCollect,
  decideTogether,
  gasOfClaim,
  isCheapFor,
  leastWorth,
  reasonToCollect,
  usualPrice,
} from "../../../node/metering/collect-rule.ts";

const rules = { maxAgeMs: 1_000, maxPostponeMs: 50_000, urgentPpm: 750_000, gasPpm: 100_000, spikePpm: 2_000_000 };
const free = { perNative: undefined, leastAmount: 0n };
/** 3,000 USDC for a whole native token. */
const usdc = { perNative: 3_000n * 10n ** 6n, leastAmount: 0n };
const calm = { now: 5n * 10n ** 7n, usual: 5n * 10n ** 7n };
const spike = { now: 10n ** 9n, usual: 5n * 10n ** 7n };

const facts = {
  vouchered: 40n,
  collected: 10n,
  reserve: 100n,
  thawing: 0n,
  jobEnded: false,
  uncollectedForMs: 0,
};
/** `open` base units of a channel with plenty of reserve. */
const owed = (open: bigint, more: Partial<CollectFacts> = {}): CollectFacts => ({
  ...facts,
  vouchered: open,
  collected: 0n,
  reserve: 10n ** 12n,
  ...more,
});
const decide = (of: CollectFacts, price = calm, claims = 10) => decideToCollect(of, claims, price, usdc, rules);

describe("collect rule", () => {
  it("finds gas cheap up to its part of an amount, and wherever no price is known", () => {
    // 80,000 gas at 0.05 gwei and 3,000 USDC are 0.012 USDC: a tenth of 0.12.
    const isCheap = (amount: bigint, token = usdc) => isCheapFor(amount, 80_000n, calm.now, token, rules.gasPpm);
    assert.deepEqual([isCheap(120_000n), isCheap(119_999n)], [true, false]);
    assert.equal(isCheapFor(0n, 80_000n, spike.now, free, rules.gasPpm), true);
  });

  it("names the least amount that gas is cheap for", () => {
    const any = (max: bigint) => fc.bigInt({ min: 0n, max });
    fc.assert(
      fc.property(
        any(10n ** 7n),
        any(10n ** 12n),
        any(10n ** 12n),
        fc.integer({ min: 1_000, max: 10 ** 6 }),
        (...of) => {
          const [gas, weiPerGas, perNative, gasPpm] = of;
          const token = { perNative, leastAmount: 0n };
          const least = leastWorth(gas, weiPerGas, token, gasPpm);
          assert.ok(isCheapFor(least, gas, weiPerGas, token, gasPpm));
          assert.ok(least === 0n || !isCheapFor(least - 1n, gas, weiPerGas, token, gasPpm));
        },
      ),
    );
  });

  it("waits while there is no reason", () => {
    assert.equal(reasonToCollect(facts, rules), undefined);
    assert.deepEqual(decideToCollect(facts, 1, calm, free, rules), { wait: "no-reason" });
  });

  it("never collects what brings nothing", () => {
    const done = { ...facts, collected: 40n, thawing: 1n, jobEnded: true, uncollectedForMs: 99_999 };
    assert.deepEqual(decideToCollect(done, 1, calm, free, rules), { wait: "nothing-open" });
  });

  it("collects at the job's end, at half of the reserve, when a thaw starts, when it is nearly used and by age", () => {
    assert.equal(reasonToCollect({ ...facts, jobEnded: true }, rules), "job-ended");
    assert.equal(reasonToCollect({ ...facts, vouchered: 60n }, rules), "half-of-reserve");
    assert.equal(reasonToCollect({ ...facts, vouchered: 85n }, rules), "reserve-nearly-used");
    assert.equal(reasonToCollect({ ...facts, thawing: 1n }, rules), "thaw-started");
    assert.equal(reasonToCollect({ ...facts, uncollectedForMs: 1_000 }, rules), "age");
  });

  it("says what its example says", () => {
    assert.equal(gasOfClaim(10), 18_800n);
    assert.equal(costInToken(gasOfClaim(10), calm.now, usdc), 2_820n);
    assert.deepEqual(decide(owed(30_000n, { jobEnded: true })), { collect: "job-ended" });
    assert.deepEqual(decide(owed(30_000n, { uncollectedForMs: 1_000 })), { collect: "age" });
    assert.deepEqual(decide(owed(20_000n, { jobEnded: true })), { wait: "not-worth-gas" });
    assert.equal(costInToken(gasOfClaim(10), spike.now, usdc), 56_400n);
    assert.deepEqual(decide(owed(600_000n, { jobEnded: true }), spike), { wait: "gas-dear" });
    assert.deepEqual(decide(owed(60_000n, { thawing: 1n }), spike), { collect: "thaw-started" });
    assert.deepEqual(decide(owed(50_000n, { thawing: 1n }), spike), { wait: "below-gas" });
  });

  it("lets a spike postpone age and a job's end for a while, a nearly used reserve never", () => {
    for (const more of [{ uncollectedForMs: 1_000 }, { jobEnded: true }]) {
      assert.deepEqual(decide(owed(10n ** 7n, more), spike), { wait: "gas-dear" });
      const collected = decide(owed(10n ** 7n, { ...more, uncollectedForMs: 50_000 }), spike);
      assert.ok("collect" in collected);
    }
    const half = owed(6n * 10n ** 6n, { reserve: 10n ** 7n });
    assert.deepEqual(decide(half, spike), { wait: "gas-dear" });
    assert.deepEqual(decide({ ...half, vouchered: 75n * 10n ** 5n }, spike), { collect: "reserve-nearly-used" });
  });

  it("goes by the least amount where no price of gas in the token is known", () => {
    const value = { perNative: undefined, leastAmount: 100n };
    const judge = (of: CollectFacts) => decideToCollect(of, 1, calm, value, rules);
    assert.deepEqual(judge(owed(99n, { jobEnded: true })), { wait: "not-worth-gas" });
    assert.deepEqual(judge(owed(100n, { jobEnded: true })), { collect: "job-ended" });
    assert.deepEqual(judge(owed(99n, { thawing: 1n })), { wait: "below-gas" });
  });

  it("judges again when some stay behind: the others then share less", () => {
    const small = Array.from({ length: 9 }, () => ({ facts: owed(10_000n, { jobEnded: true }), token: usdc }));
    const one = { facts: owed(50_000n, { jobEnded: true }), token: usdc };
    // Among ten it costs 2,820; alone 9,300, and a tenth of 50,000 is 5,000.
    assert.deepEqual(decide(one.facts), { collect: "job-ended" });
    assert.deepEqual(decideTogether([one, ...small], 50, calm, rules).get(one), { wait: "not-worth-gas" });
  });

  it("takes the middle of what was seen as usual, and a batch that fits the gas", () => {
    assert.equal(usualPrice([]), 0n);
    assert.equal(usualPrice([5n, 900n, 4n, 6n, 800n]), 6n);
    assert.equal(claimsWithin(1n), 1);
    assert.equal(claimsWithin(16_777_216n), 90);
  });

  it("counts the gas that the contracts were measured to take", () => {
    const { collect } = JSON.parse(readFileSync("contracts/snapshots/gas.json", "utf8")) as {
      collect: { credited: Record<string, number> };
    };
    for (const [claims, each] of Object.entries(collect.credited)) {
      const ours = Number(gasOfClaim(Number(claims)));
      assert.ok(ours >= each && ours < each * 1.15, `${ours} for ${each}`);
    }
  });

  const anyFacts = fc.record({
    vouchered: fc.bigInt({ min: 0n, max: 10n ** 8n }),
    collected: fc.bigInt({ min: 0n, max: 10n ** 8n }),
    reserve: fc.bigInt({ min: 0n, max: 10n ** 8n }),
    thawing: fc.constantFrom(0n, 1n, 10n ** 6n),
    jobEnded: fc.boolean(),
    uncollectedForMs: fc.integer({ min: 0, max: 100_000 }),
  });
  const anyPrice = fc.record({
    now: fc.bigInt({ min: 0n, max: 10n ** 10n }),
    usual: fc.bigInt({ min: 1n, max: 10n ** 9n }),
  });

  it("never pays more gas than a claim brings, and never waits with one in danger that brings more", () => {
    fc.assert(
      fc.property(fc.array(anyFacts, { maxLength: 12 }), anyPrice, (list, price) => {
        const claimables = list.map((of) => ({ facts: of, token: usdc }));
        const decisions = decideTogether(claimables, 50, price, rules);
        const going = [...decisions].filter(([, decision]) => "collect" in decision);
        const cost = costInToken(gasOfClaim(going.length), price.now, usdc)!;
        for (const [{ facts: of }] of going) {
          const open = of.vouchered - of.collected;
          assert.ok(open > 0n && open > cost, `${open} for ${cost}`);
        }
        const alone = costInToken(gasOfClaim(1), price.now, usdc)!;
        for (const [{ facts: of }, decision] of decisions) {
          const open = of.vouchered - of.collected;
          const isInDanger = open > 0n && (of.thawing > 0n || open * 1_000_000n >= of.reserve * 750_000n);
          if (isInDanger && open > alone) assert.ok("collect" in decision);
        }
      }),
    );
  });

  it("collects no less when more is owed, when gas is cheaper or when more share it", () => {
    fc.assert(
      fc.property(anyFacts, anyPrice, fc.integer({ min: 1, max: 50 }), (of, price, claims) => {
        if (!("collect" in decideToCollect(of, claims, price, usdc, rules))) return;
        const more = { ...of, vouchered: of.vouchered + 1_000n };
        for (const again of [
          decideToCollect(more, claims, price, usdc, rules),
          decideToCollect(of, claims, { ...price, now: price.now / 2n }, usdc, rules),
          decideToCollect(of, claims + 1, price, usdc, rules),
        ])
          assert.ok("collect" in again);
      }),
    );
  });
});
