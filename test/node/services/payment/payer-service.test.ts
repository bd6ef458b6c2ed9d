import assert from "node:assert/strict";
import { setImmediate as immediate } from "node:timers/promises";
import type { VoucherAnswer } from "../../../../node/services/payment/index.ts";
import { silentLogger } from "../../../../sdk/base/logger.ts";
import { channelId } from "../../../../sdk/protocol/channel.ts";
import type { Address } from "../../../../sdk/protocol/hex.ts";
import type { VoucherOffer } from "../../../../sdk/protocol/job.ts";
import { randomHash, second, usePayments } from "../../../support/payment-pair.ts";

describe("payer", () => {
  const { on, openPair, openStore, startPayee, startPayer, termsOf, workOf } = usePayments();

  it("brings a prepayment that was signed for a cheaper job before it asks for a dearer one", async () => {
    const payee = await startPayee(await openStore());
    const payer = await startPayer(await openStore(), (_, offer) => payee.accept(offer));
    const cheap = await payer.prepay(on.channel, second);
    assert.deepEqual(await payer.prepay(on.channel, second), cheap);
    assert.equal(await payer.prepay(on.channel, 2n * second), undefined);
    await payee.openJob(termsOf(randomHash(), 2n * second));
  });

  it("signs every 10 s, and before when half of the credit is used up", async () => {
    const { payee, payer, job } = await openPair();
    await payer.openJob(termsOf(job));
    const changed = () =>
      new Promise<void>((resolve) => {
        const leave = payee.onChange(() => {
          leave();
          resolve();
        });
      });
    const first = workOf(job, 0n, 12n * second);
    await payee.earned(first);
    await payer.owe(first);
    await payer.passed(first);
    let next = changed();
    await on.clock.advance(10_000);
    await next;
    assert.equal((await payee.status())[0]!.vouchered, 12n);
    next = changed();
    const much = workOf(job, 1n, 32n * second);
    await payee.earned(much);
    await payer.owe(much);
    await payer.passed(much);
    await next;
    assert.equal((await payee.status())[0]!.vouchered, 44n);
  });

  it("signs at most once a second where more and more of the credit is used up", async () => {
    const { payee, payer, job } = await openPair();
    await payer.openJob(termsOf(job));
    for (let seq = 0n; seq < 6n; seq += 1n) {
      const work = workOf(job, seq, 40n * second);
      await payee.earned(work);
      await payer.owe(work);
      await payer.passed(work);
      // Behind the voucher that is on its way.
      if (seq === 0n) await payer.settleNow(on.channel);
    }
    assert.equal((await payee.status())[0]!.vouchered, 40n);
    const paid = new Promise<void>((resolve) => payee.onChange(() => resolve()));
    await on.clock.advance(1_000);
    await paid;
    assert.equal((await payee.status())[0]!.vouchered, 240n);
  });

  it("ends with what is payable when it is asked, and lets others in, where more becomes payable all the time", async () => {
    const [held, issued] = [await openStore(), await openStore()];
    const payee = await startPayee(held);
    const job = randomHash();
    let seq = 0n;
    const add = async () => {
      const work = workOf(job, seq, second);
      seq += 1n;
      await payee.earned(work);
      await payer.owe(work);
      await payer.passed(work);
    };
    let ahead: Promise<unknown> | undefined;
    const payer = await startPayer(issued, async (_, offer) => {
      await add();
      ahead ??= payer.prepay(on.channel, second);
      return payee.accept(offer);
    });
    await add();
    assert.deepEqual(await payer.settleNow(on.channel), { vouchered: 1n, seq: 1n });
    assert.equal(await ahead, undefined);
    assert.deepEqual(await payer.settleNow(on.channel), { vouchered: 2n, seq: 2n });
  });

  it("sends the same voucher again, word for word, after its payee was away or the payer was killed", async () => {
    const [held, issued] = [await openStore(), await openStore()];
    const payee = await startPayee(held);
    const offers: VoucherOffer[] = [];
    const away = async (_: Address, offer: VoucherOffer): Promise<VoucherAnswer> => {
      offers.push(offer);
      throw new Error("away");
    };
    const first = await startPayer(issued, away);
    const work = workOf(randomHash(), 0n, 5n * second);
    await first.owe(work);
    await first.passed(work);
    await assert.rejects(first.settleNow(on.channel), /away/);
    await assert.rejects(first.settleNow(on.channel), /away/);
    // The second process knows what the first had on disk.
    const again = await startPayer(issued, (_, offer) => {
      offers.push(offer);
      return payee.accept(offer);
    });
    assert.deepEqual(await again.settleNow(on.channel), { vouchered: 5n, seq: 1n });
    assert.equal(offers.length, 3);
    assert.deepEqual(offers[1], offers[0]);
    assert.deepEqual(offers[2], offers[0]);
    assert.equal(await again.owe(work), false);
  });

  it("adopts the voucher that the payee holds when its own store was lost, and pays nothing twice", async () => {
    const { payee, payer, job } = await openPair(1n);
    for (const seq of [0n, 1n, 2n]) {
      const work = workOf(job, seq, 10n * second);
      await payee.earned(work);
      await payer.owe(work);
      await payer.passed(work);
      await payer.settleNow(on.channel);
    }
    const fresh = await startPayer(await openStore(), (_, offer) => payee.accept(offer));
    const work = workOf(job, 3n, 10n * second);
    await payee.earned(work);
    await fresh.owe(work);
    await fresh.passed(work);
    // The prepayment and three vouchers were held; the adopted one is followed by the fifth.
    assert.deepEqual(await fresh.settleNow(on.channel), { vouchered: 40n, seq: 5n });
    assert.equal((await payee.status())[0]!.unpaidExact, 0n);
  });

  it("holds back the newest 20 segments where one in 20 is checked, and pays them at the end", async () => {
    const [held, issued] = [await openStore(), await openStore()];
    const payee = await startPayee(held);
    const payer = await startPayer(issued, (_, offer) => payee.accept(offer), { samplingRate: 0.05 });
    const job = randomHash();
    for (let seq = 0n; seq < 25n; seq += 1n) await payer.owe(workOf(job, seq));
    assert.equal((await payer.settleNow(on.channel)).vouchered, 5n);
    await payer.release(job, 1);
    assert.equal((await payer.settleNow(on.channel)).vouchered, 25n);
  });

  it("never pays what waited when a check failed, and the payee writes it off", async () => {
    const { payee, payer, job } = await openPair();
    const works = Array.from({ length: 30 }, (_, at) => workOf(job, BigInt(at)));
    for (const work of works) {
      await payee.earned(work);
      await payer.owe(work);
    }
    for (const work of works.slice(0, 20)) await payer.passed(work);
    assert.equal(await payer.forfeit(job, 1), 10n * second);
    assert.equal((await payer.settleNow(on.channel)).vouchered, 20n);
    assert.equal((await payee.status())[0]!.unpaidExact, 10n * second);
    await payee.closeJob(job, 1, { forfeit: true });
    assert.equal((await payee.status())[0]!.unpaidExact, 0n);
    assert.equal(await payer.owe(workOf(job, 31n)), true);
    await payer.release(job, 1);
    assert.equal((await payer.settleNow(on.channel)).vouchered, 20n);
  });

  it("never pays what was being booked while the attempt was found bad", async () => {
    const { payer, job } = await openPair();
    const first = workOf(job, 0n, 12n * second);
    await payer.owe(first);
    await payer.passed(first);
    const booking = payer.owe(workOf(job, 1n, 12n * second));
    await immediate();
    await payer.forfeit(job, 1);
    assert.equal(await booking, true);
    assert.deepEqual(await payer.waiting(), []);
    await payer.passed(workOf(job, 1n));
    assert.equal((await payer.settleNow(on.channel)).vouchered, 12n);
    assert.equal((await payer.status())[0]!.unpaidExact, 0n);
  });

  it("signs for a node that takes anything no more than its reserve holds, and goes on when it holds more", async () => {
    const signed: bigint[] = [];
    const payer = await startPayer(await openStore(), async (_, { voucher: { value } }) => {
      signed.push(value.cumulative);
      const { cumulative, seq } = value;
      return { acknowledged: { channel: channelId(on.channel), cumulative, seq } };
    });
    on.chain.set(on.channel, { reserve: 80n, thawing: 20n });
    const job = randomHash();
    for (let seq = 0n; seq < 30n; seq += 1n) {
      const work = workOf(job, seq, 5n * second);
      await payer.owe(work);
      await payer.passed(work);
    }
    assert.equal((await payer.settleNow(on.channel)).vouchered, 100n);
    on.chain.set(on.channel, { collected: 100n, reserve: 0n, thawing: 0n });
    assert.equal((await payer.settleNow(on.channel)).vouchered, 100n);
    on.chain.set(on.channel, { reserve: 30n });
    assert.equal((await payer.settleNow(on.channel)).vouchered, 130n);
    assert.deepEqual(signed, [100n, 130n]);
    const ahead = payer.prepay({ ...on.channel, payee: on.balancer.address }, 10n ** 9n * second);
    await assert.rejects(ahead, { code: "VOUCHER_ABOVE_RESERVE" });
  });

  it("signs for what fits where one segment of many is worth more than the reserve", async () => {
    const logged: string[] = [];
    on.logger = { ...silentLogger, warn: (phrase: string) => logged.push(phrase) };
    const { payee, payer, job } = await openPair();
    on.chain.set(on.channel, { reserve: 50n });
    for (const [seq, seconds] of [20n, 900n, 25n, 6n].entries()) {
      const work = workOf(job, BigInt(seq), seconds * second);
      await payee.earned(work);
      await payer.owe(work);
      await payer.passed(work);
    }
    assert.equal((await payer.settleNow(on.channel)).vouchered, 45n);
    assert.equal((await payee.status())[0]!.unpaidExact, 906n * second);
    await payer.settleNow(on.channel);
    assert.deepEqual(logged, ["Reserve covers no more work"]);
    on.chain.set(on.channel, { reserve: 51n });
    assert.equal((await payer.settleNow(on.channel)).vouchered, 51n);
  });
});
