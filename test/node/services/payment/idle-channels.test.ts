import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createNodeKey } from "../../../../node/kernel/keys.ts";
import { nextVoucher } from "../../../../node/metering/voucher-rules.ts";
import type { VoucherStore } from "../../../../node/metering/voucher-store.ts";
import { channelId, hubChannel } from "../../../../sdk/protocol/channel.ts";
import { zeroHash } from "../../../../sdk/protocol/hex.ts";
import type { VoucherOffer } from "../../../../sdk/protocol/job.ts";
import { voucherStructure } from "../../../../sdk/protocol/signed.ts";
import { clusterAccount, domain, randomHash, second, token, usePayments } from "../../../support/payment-pair.ts";

describe("a payee's channels", () => {
  const { on, openStore, startPayee, termsOf, workOf } = usePayments();
  const startBare = (store: VoucherStore, idleChannels: number) =>
    startPayee(store, on.node.address, undefined, undefined, { idleChannels });
  const prepayOf = async (payer = createNodeKey(randomBytes(32)), signer = payer): Promise<VoucherOffer> => {
    const channel = hubChannel(payer.address, on.node.address, token);
    const value = nextVoucher(channel, undefined, { cumulative: 10n, receiptsRoot: zeroHash });
    const voucher = { value, signature: await signer.signer.sign(voucherStructure, domain, value) };
    return { voucher, receiptsRoot: zeroHash, receiptHashes: [], kind: "prepay" };
  };

  it("are opened for nobody who brings no money, and the chain is not asked for a stranger's signature", async () => {
    const payee = await startPayee(await openStore());
    let asked = 0;
    const read = on.chain.channelState.bind(on.chain);
    on.chain.channelState = (channel) => {
      asked += 1;
      return read(channel);
    };
    const stranger = createNodeKey(randomBytes(32));
    for (let payers = 0; payers < 3; payers += 1) {
      const forged = await prepayOf(createNodeKey(randomBytes(32)), stranger);
      await assert.rejects(payee.accept(forged), { code: "VOUCHER_SIGNER_WRONG" });
    }
    assert.equal(asked, 0);
    const poor = await prepayOf(stranger);
    on.chain.set(hubChannel(stranger.address, on.node.address, token), { reserve: 9n });
    await assert.rejects(payee.accept(poor), { code: "VOUCHER_ABOVE_RESERVE" });
    assert.deepEqual(await payee.status(), []);
    await payee.accept(await prepayOf());
    assert.equal((await payee.status()).length, 1);
  });

  it("are put away a minute after all is collected, and come back as they were", async () => {
    const store = await openStore();
    const payee = await startBare(store, 0);
    const offers = [await prepayOf(), await prepayOf(), await prepayOf()] as const;
    const [rested, owing, uncollected] = offers.map(({ voucher }) => ({
      ...on.channel,
      payer: voucher.value.payer,
    })) as [typeof on.channel, typeof on.channel, typeof on.channel];
    for (const offer of offers) await payee.accept(offer);
    for (const channel of [rested, owing]) on.chain.set(channel, { collected: 10n });
    const busy = termsOf(randomHash());
    on.chain.set(on.channel, { collected: 0n });
    on.chain.paid = 1n;
    await payee.openJob(busy);
    await payee.earned(workOf(randomHash(), 0n, second, owing));
    const opened = async () => (await payee.status()).map(({ channelId: id }) => id).sort();
    const idsOf = (...channels: (typeof rested)[]) => channels.map(channelId).sort();
    await on.clock.advance(55_000);
    assert.deepEqual(await opened(), idsOf(rested, owing, uncollected, on.channel));
    await on.clock.advance(10_000);
    assert.deepEqual(await opened(), idsOf(owing, uncollected, on.channel));
    assert.ok("acknowledged" in (await payee.accept(offers[0])));
    assert.deepEqual(await opened(), idsOf(rested, owing, uncollected, on.channel));
    const again = (await payee.status()).find(({ channelId: id }) => id === channelId(rested))!;
    assert.deepEqual([again.vouchered, again.collected], [10n, 10n]);
  });

  it("stay as many as are wanted: the longest unused goes first", async () => {
    const payee = await startBare(await openStore(), 1);
    const offers = [await prepayOf(), await prepayOf()] as const;
    for (const offer of offers) {
      await payee.accept(offer);
      on.chain.set({ ...on.channel, payer: offer.voucher.value.payer }, { collected: 10n });
      await on.clock.advance(1_000);
    }
    await payee.accept(offers[0]);
    await on.clock.advance(70_000);
    const left = (await payee.status()).map(({ channel }) => channel.payer);
    assert.deepEqual(left, [offers[0].voucher.value.payer]);
  });

  it("wait for no job that will not open", async () => {
    const buyer = createNodeKey(randomBytes(32));
    const retail = hubChannel(buyer.address, clusterAccount, token);
    let isAway = true;
    const payee = await startPayee(await openStore(), clusterAccount, async () => {
      if (isAway) throw new Error("away");
      const value = nextVoucher(retail, undefined, { cumulative: 10n, receiptsRoot: zeroHash });
      const voucher = { value, signature: await buyer.signer.sign(voucherStructure, domain, value) };
      return { voucher, receiptsRoot: zeroHash, receiptHashes: [], kind: "prepay" };
    });
    const id = channelId(retail);
    await assert.rejects(payee.requestPrepay(retail, second), /away/);
    assert.equal(payee.openJobs(id), 0);
    isAway = false;
    await payee.requestPrepay(retail, second);
    assert.equal(payee.openJobs(id), 1);
    on.chain.set(retail, { reserve: 0n });
    const terms = { ...termsOf(randomHash()), channel: retail };
    await assert.rejects(payee.openJob(terms), { code: "CREDIT_RESERVE_SHORT" });
    assert.equal(payee.openJobs(id), 0);
  });
});
