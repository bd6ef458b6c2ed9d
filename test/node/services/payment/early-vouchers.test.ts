import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createNodeKey } from "../../../../node/kernel/keys.ts";
import type { VoucherRequest } from "../../../../node/services/payment/index.ts";
import { RemoteError } from "../../../../node/wire/errors.ts";
import { type LogFields, silentLogger } from "../../../../sdk/base/logger.ts";
import { hubChannel } from "../../../../sdk/protocol/channel.ts";
import type { Hex } from "../../../../sdk/protocol/hex.ts";
import type { VoucherOffer } from "../../../../sdk/protocol/job.ts";
import { clusterAccount, randomHash, second, token, usePayments } from "../../../support/payment-pair.ts";

/** The least credit of the tests' job is 64 s, and a question comes from half of it on. */
describe("vouchers that a payee asks for early", () => {
  const { on, openStore, startPayee, startPayer, workOf, termsOf } = usePayments();

  /** A payee with an open job whose buyer answers by `change`; `early` counts what it was asked before it was due. */
  async function openRetail(change: (offer: VoucherOffer, request: VoucherRequest) => VoucherOffer) {
    const buyer = createNodeKey(randomBytes(32));
    const retail = hubChannel(buyer.address, clusterAccount, token);
    const agent = await startPayer(await openStore(), undefined, { signer: buyer });
    await agent.openChannel(retail);
    const store = await openStore();
    const job = randomHash();
    let early = 0;
    const payee = await startPayee(store, clusterAccount, async (_, request) => {
      if (request.kind === "usage") early += 1;
      return change(await agent.answerRequest(request), request);
    });
    await payee.resumeJob({ ...termsOf(job), channel: retail }, 0n);
    const earn = async (seq: bigint, seconds: bigint) => {
      const work = workOf(job, seq, seconds * second, retail);
      await payee.earned(work);
      await agent.owe(work);
      return work;
    };
    /** Comes after every question that is open: there is one at a time. */
    const inTurn = () => payee.requestVoucher(retail, "final").catch(() => {});
    const pass = async (seq: bigint, seconds: bigint) => {
      await payee.passed(await earn(seq, seconds));
      await inTurn();
    };
    return { payee, store, buyer, earn, pass, inTurn, early: () => early };
  }

  function listen(): LogFields[] {
    const lines: LogFields[] = [];
    on.logger = { ...silentLogger, warn: (message, fields) => void lines.push({ message, ...fields }) };
    return lines;
  }

  it("come at most once a second where the buyer pays", async () => {
    const lines = listen();
    const { pass, inTurn, early } = await openRetail((offer) => offer);
    for (let seq = 0n; seq < 5n; seq += 1n) await pass(seq, 40n);
    assert.equal(early(), 1);
    await on.clock.advance(1_000);
    await pass(5n, 40n);
    await inTurn();
    assert.equal(early(), 2);
    assert.deepEqual(lines, []);
  });

  for (const [how, code, change] of [
    ["refuses", "VOUCHER_CHANNEL_UNKNOWN", refuse],
    ["answers something else", "VOUCHER_ANSWER_WRONG", (offer: VoucherOffer) => ({ ...offer, receiptHashes: [] })],
  ] as const) {
    it(`come at most once a second where the buyer ${how}, and the log says once who it is`, async () => {
      const lines = listen();
      let answer: typeof refuse | ((offer: VoucherOffer) => VoucherOffer) = change;
      const { payee, buyer, pass, inTurn, early } = await openRetail((offer) => answer(offer));
      for (let seq = 0n; seq < 5n; seq += 1n) await pass(seq, 40n);
      assert.equal(early(), 1);
      for (let seq = 5n; seq < 8n; seq += 1n) {
        await on.clock.advance(1_000);
        await inTurn();
        await pass(seq, 40n);
      }
      assert.equal(early(), 4);
      const { channelId: channel } = (await payee.status())[0]!;
      const line = { message: "Ask for voucher failed", code, channel, payer: buyer.address };
      assert.deepEqual(lines, [line]);
      // Who paid meanwhile and refuses again is news.
      answer = (offer) => offer;
      await inTurn();
      answer = change;
      await on.clock.advance(1_000);
      await pass(8n, 40n);
      assert.deepEqual(lines, [line, line]);
    });
  }

  it("wait for work to pass while all that is open waits for its checks", async () => {
    const { store, earn, payee, inTurn, early } = await openRetail((offer) => offer);
    const waiting = await earn(0n, 60n);
    await payee.passed(await earn(1n, 4n));
    await inTurn();
    assert.equal(early(), 1);
    let looks = 0;
    const { newest } = store;
    store.newest = (side, channel: Hex) => {
      looks += 1;
      return newest.call(store, side, channel);
    };
    for (let at = 0; at < 10; at += 1) await on.clock.advance(1_000);
    assert.equal(looks, 0);
    await payee.passed(waiting);
    await inTurn();
    assert.equal(early(), 2);
  });

  it("name what passed while the last one was open, one second later", async () => {
    const { pass, earn, payee, inTurn, early } = await openRetail((offer) => offer);
    await pass(0n, 40n);
    await payee.passed(await earn(1n, 40n));
    await on.clock.advance(999);
    assert.equal(early(), 1);
    await on.clock.advance(1);
    await inTurn();
    assert.equal(early(), 2);
  });

  function refuse(): VoucherOffer {
    throw new RemoteError({ code: "VOUCHER_CHANNEL_UNKNOWN", method: "voucher.request" });
  }
});
