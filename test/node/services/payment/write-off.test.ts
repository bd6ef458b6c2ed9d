import assert from "node:assert/strict";
import type { VoucherAnswer } from "../../../../node/services/payment/index.ts";
import { hubChannel } from "../../../../sdk/protocol/channel.ts";
import type { VoucherOffer } from "../../../../sdk/protocol/job.ts";
import { clusterAccount, randomHash, second, token, usePayments } from "../../../support/payment-pair.ts";

describe("work that is written off by its key", () => {
  const { on, openPair, openStore, startPayee, startPayer, termsOf, workOf } = usePayments();

  it("is what the payer refused or never heard of, and nothing while a voucher is on its way", async () => {
    const payee = await startPayee(await openStore());
    let isAway = false;
    const deliver = async (_: string, offer: VoucherOffer): Promise<VoucherAnswer> => {
      if (isAway) throw new Error("away");
      return payee.accept(offer);
    };
    const payer = await startPayer(await openStore(), deliver);
    const job = randomHash();
    await payee.openJob(termsOf(job), await payer.prepay(on.channel, second));
    const [paid, waits, refused, unheard] = [1n, 2n, 3n, 4n].map((seq) => workOf(job, seq, 20n * second));
    const all = [paid!, waits!, refused!, unheard!];
    for (const work of all) await payee.earned(work);
    for (const work of [paid!, waits!, refused!]) await payer.owe(work);
    await payer.passed(paid!);
    await payer.refuse(on.channel, [refused!]);
    isAway = true;
    await assert.rejects(payer.settleNow(on.channel));
    assert.deepEqual(await payer.unpaid(on.channel, all), []);
    isAway = false;
    await payer.settleNow(on.channel);
    const [{ work } = assert.fail()] = await payee.waitingFor(clusterAccount);
    assert.deepEqual(
      work.map(({ seq }) => seq),
      [2n, 3n, 4n],
    );
    const unpaid = await payer.unpaid(on.channel, work);
    assert.deepEqual(
      unpaid.map(({ seq }) => seq),
      [3n, 4n],
    );
    assert.equal(await payee.writeOff(on.channel, unpaid), 40n * second);
    assert.equal(await payee.writeOff(on.channel, unpaid), 0n);
    assert.equal((await payee.status())[0]!.unpaidExact, (await payer.status())[0]!.unpaidExact);
  });

  it("is everything on a channel that has no book, which none is opened for", async () => {
    const payer = await startPayer(await openStore());
    const stranger = hubChannel(clusterAccount, on.balancer.address, token);
    const work = workOf(randomHash(), 1n);
    assert.deepEqual(await payer.unpaid(stranger, [work]), [work]);
    assert.deepEqual(await payer.status(), []);
  });

  it("is taken when its payer pays for it after all, and is no credit then", async () => {
    const { payee, payer, job } = await openPair();
    const work = workOf(job, 1n, 50n * second);
    await payee.earned(work);
    await payer.owe(work);
    assert.equal(await payee.writeOff(on.channel, [work]), 50n * second);
    assert.equal((await payee.status())[0]!.unpaidExact, 0n);
    await payer.passed(work);
    assert.equal((await payer.settleNow(on.channel)).vouchered, 50n);
    const [paying, paid] = [(await payer.status())[0]!, (await payee.status())[0]!];
    assert.deepEqual([paid.vouchered, paid.freeExact], [50n, paying.freeExact]);
    // What a voucher covers is written off no more.
    assert.equal(await payee.writeOff(on.channel, [work]), 0n);
  });

  for (const isForfeitFirst of [true, false]) {
    it(`counts once where it is forfeited ${isForfeitFirst ? "just before" : "just after"}`, async () => {
      const { payer, job } = await openPair();
      const [lost, other] = [workOf(job, 1n, 30n * second), { ...workOf(job, 1n, 90n * second), attempt: 2 }];
      const before = (await payer.status())[0]!.freeExact;
      for (const work of [lost, other]) await payer.owe(work);
      const refuse = () => payer.refuse(on.channel, [lost]);
      const forfeit = () => payer.forfeit(job, 1);
      await Promise.all(isForfeitFirst ? [forfeit(), refuse()] : [refuse(), forfeit()]);
      const [status] = await payer.status();
      assert.deepEqual([status!.freeExact, (await payer.waiting()).length], [before - other.exact, 1]);
    });
  }

  it("outlives both processes", async () => {
    const { held, issued, payee, payer, job } = await openPair();
    const [lost, waits] = [workOf(job, 1n, 30n * second), workOf(job, 2n, 7n * second)];
    for (const work of [lost, waits]) {
      await payee.earned(work);
      await payer.owe(work);
    }
    await payer.refuse(on.channel, [lost]);
    await payee.writeOff(on.channel, [lost]);
    await payee.stop();
    await payer.stop();
    const [paid, paying] = [await startPayee(held), await startPayer(issued)];
    assert.deepEqual(
      [(await paid.waiting()).map(({ seq }) => seq), (await paying.waiting()).map(({ seq }) => seq)],
      [[2n], [2n]],
    );
    assert.equal((await paid.status())[0]!.freeExact, (await paying.status())[0]!.freeExact);
    assert.equal(await paid.earned(lost), false);
    assert.equal(await paying.owe(lost), false);
  });
});
