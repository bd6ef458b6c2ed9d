import assert from "node:assert/strict";
import { holdBackExact, RUNWAY_SECONDS } from "../../../../node/metering/credit.ts";
import { holdBackWindow } from "../../../../node/metering/hold-back.ts";
import { UnderWay } from "../../../../node/metering/under-way.ts";
import type { CreditTerms } from "../../../../node/services/payment/index.ts";
import { OpenJobs } from "../../../../node/services/payment/open-jobs.ts";
import { hubChannel } from "../../../../sdk/protocol/channel.ts";
import type { Hex } from "../../../../sdk/protocol/hex.ts";
import { randomHash } from "../../../support/fake-market.ts";
import { randomFrom } from "../../../support/seeded-random.ts";

const channel = hubChannel(`0x${"01".repeat(20)}`, `0x${"02".repeat(20)}`, `0x${"03".repeat(20)}`);

describe("the open jobs of a channel", () => {
  it("cost together what they cost one by one, whatever happens to them in whatever order", () => {
    const random = randomFrom();
    const upTo = (most: number) => Math.floor(random.next() * most);
    const jobs = Array.from({ length: 6 }, (_, at) => randomHash(at + 1));
    const open = new OpenJobs();
    const expected = { terms: new Map<Hex, CreditTerms>(), underWay: new UnderWay() };
    const steps: ((job: Hex) => void)[] = [
      (job) => {
        const terms = termsOf(job, BigInt(upTo(1_000)), 1_000 + upTo(4_000), [1, 0.5, 0.05][upTo(3)]!);
        open.set(terms);
        expected.terms.set(job, terms);
      },
      (job) => {
        const terms = termsOf(job, BigInt(upTo(1_000)), 2_000, 1);
        assert.deepEqual(open.costsWith(terms), costsOf(new Map(expected.terms).set(job, terms)));
      },
      (job) => {
        open.delete(job);
        expected.terms.delete(job);
      },
      (job) => {
        const [first, last] = [BigInt(upTo(50)), BigInt(upTo(50))];
        const undo = [open.begun(job, first, last), expected.underWay.begun(job, first, last)];
        if (upTo(3) === 0) for (const takeBack of undo) takeBack();
      },
      (job) => {
        const segment = BigInt(upTo(50));
        open.booked(job, segment);
        expected.underWay.booked(job, segment);
      },
      (job) => {
        open.forget(job);
        expected.underWay.forget(job);
      },
    ];
    for (let step = 0; step < 2_000; step += 1) {
      steps[upTo(steps.length)]!(jobs[upTo(jobs.length)]!);
      assert.equal(open.size, expected.terms.size, `seed ${random.seed}`);
      assert.deepEqual(open.costs, costsOf(expected.terms), `seed ${random.seed}`);
      assert.equal(open.nextExact, nextExactOf(expected.terms, expected.underWay), `seed ${random.seed}`);
    }
  });
});

function termsOf(job: Hex, exactPerSecond: bigint, segmentMs: number, samplingRate: number): CreditTerms {
  return { job, attempt: 1, channel, exactPerSecond, segmentMs, samplingRate, validUntil: 0n };
}

function costsOf(terms: ReadonlyMap<Hex, CreditTerms>) {
  const costs = { exactPerSecond: 0n, holdBackExact: 0n };
  for (const { exactPerSecond, segmentMs, samplingRate } of terms.values()) {
    costs.exactPerSecond += exactPerSecond;
    costs.holdBackExact += holdBackExact(exactPerSecond, segmentMs, holdBackWindow(samplingRate));
  }
  return costs;
}

function nextExactOf(terms: ReadonlyMap<Hex, CreditTerms>, underWay: UnderWay): bigint {
  let exactMs = 0n;
  for (const { job, exactPerSecond, segmentMs } of terms.values()) {
    exactMs += exactPerSecond * BigInt(segmentMs) * underWay.segments(job);
  }
  return costsOf(terms).exactPerSecond * RUNWAY_SECONDS + exactMs / 1_000n;
}
