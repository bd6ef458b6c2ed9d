import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setImmediate as immediate } from "node:timers/promises";
import { createNodeKey } from "../../../../node/kernel/keys.ts";
import { nextVoucher } from "../../../../node/metering/voucher-rules.ts";
import type { ChannelStatus, VoucherRequest } from "../../../../node/services/payment/index.ts";
import { hubChannel } from "../../../../sdk/protocol/channel.ts";
import { zeroHash } from "../../../../sdk/protocol/hex.ts";
import { type Voucher, voucherStructure } from "../../../../sdk/protocol/signed.ts";
import { clusterAccount, domain, randomHash, second, token, usePayments } from "../../../support/payment-pair.ts";

describe("vouchers that a payee asks for", () => {
  const { on, openStore, startPayee, startPayer, workOf } = usePayments();

  it("asks a buyer for exactly what passed, and the buyer signs for nothing else", async () => {
    const buyer = createNodeKey(randomBytes(32));
    const retail = hubChannel(buyer.address, clusterAccount, token);
    const agent = await startPayer(await openStore(), undefined, { signer: buyer });
    await agent.openChannel(retail);
    let lose = false;
    const payee = await startPayee(await openStore(), clusterAccount, async (_, request) => {
      const offer = await agent.answerRequest(request);
      if (!lose) return offer;
      lose = false;
      throw new Error("the answer was lost");
    });
    assert.deepEqual(await payee.requestPrepay(retail, second), { vouchered: 10n, seq: 1n });
    const job = randomHash();
    const works = [0n, 1n, 2n].map((seq) => workOf(job, seq, 11n * second, retail));
    for (const work of works) {
      await payee.earned(work);
      await agent.owe(work);
    }
    await payee.passed(works[0]!);
    await payee.passed(works[2]!);
    lose = true;
    await assert.rejects(payee.requestVoucher(retail), /lost/);
    assert.deepEqual(await payee.requestVoucher(retail), { vouchered: 22n, seq: 2n });
    const ask = {
      channel: (await payee.status())[0]!.channelId,
      kind: "usage" as const,
      seq: 3n,
      receiptsRoot: zeroHash,
    };
    const unknown = { ...ask, cumulative: 22n, receiptHashes: [randomHash()] };
    await assert.rejects(agent.answerRequest(unknown), { code: "VOUCHER_RECEIPT_UNKNOWN" });
    const dear = { ...ask, cumulative: 35n, receiptHashes: [works[1]!.receiptHash] };
    await assert.rejects(agent.answerRequest(dear), { code: "VOUCHER_OVERPRICED" });
    const twice = { ...ask, cumulative: 44n, receiptHashes: [works[1]!.receiptHash, works[1]!.receiptHash] };
    await assert.rejects(agent.answerRequest(twice), { code: "VOUCHER_RECEIPT_REPEATED" });
    const ahead = { ...ask, kind: "prepay" as const, cumulative: 30n, receiptHashes: [] };
    await assert.rejects(agent.answerRequest(ahead), { code: "VOUCHER_PREPAY_REFUSED" });
    const skipped = { ...ask, seq: 5n, cumulative: 33n, receiptHashes: [works[1]!.receiptHash] };
    await assert.rejects(agent.answerRequest(skipped), { code: "VOUCHER_CHAIN_UNKNOWN" });
    await agent.forfeit(job, 1);
    await payee.passed(works[1]!);
    await assert.rejects(payee.requestVoucher(retail), { code: "VOUCHER_RECEIPT_UNKNOWN" });
  });

  it("is refused what a buyer's reserve does not hold, and asks for what it does", async () => {
    const buyer = createNodeKey(randomBytes(32));
    const retail = hubChannel(buyer.address, clusterAccount, token);
    const agent = await startPayer(await openStore(), undefined, { signer: buyer });
    await agent.openChannel(retail);
    const asked: VoucherRequest[] = [];
    const payee = await startPayee(await openStore(), clusterAccount, (_, request) => {
      asked.push(request);
      return agent.answerRequest(request);
    });
    on.chain.set(retail, { reserve: 50n });
    const job = randomHash();
    for (const [seq, seconds] of [20n, 900n, 25n, 6n].entries()) {
      const work = workOf(job, BigInt(seq), seconds * second, retail);
      await payee.earned(work);
      await agent.owe(work);
      await payee.passed(work);
    }
    assert.deepEqual(await payee.requestVoucher(retail), { vouchered: 45n, seq: 1n });
    assert.deepEqual(await payee.requestVoucher(retail, "final"), { vouchered: 45n, seq: 1n });
    assert.equal(asked.length, 1);
    // A payee that asks for all of it nevertheless, as one would that has nothing against an empty pool.
    const [{ channelId: channel }] = (await payee.status()) as [ChannelStatus];
    const huge = workOf(job, 4n, 2n ** 63n * second, retail);
    await agent.owe(huge);
    const request = { channel, kind: "usage" as const, seq: 2n, cumulative: 45n, receiptsRoot: zeroHash };
    const all = agent.answerRequest({ ...request, receiptHashes: [huge.receiptHash] });
    await assert.rejects(all, { code: "VOUCHER_ABOVE_RESERVE" });
    assert.equal((await agent.waiting()).length, 3);
  });

  it("asks one after the other where jobs of one channel end together", async () => {
    const buyer = createNodeKey(randomBytes(32));
    const retail = hubChannel(buyer.address, clusterAccount, token);
    const agent = await startPayer(await openStore(), undefined, { signer: buyer });
    await agent.openChannel(retail);
    const held = Promise.withResolvers<void>();
    const asked: VoucherRequest[] = [];
    const payee = await startPayee(await openStore(), clusterAccount, async (_, request) => {
      asked.push(request);
      if (asked.length === 2) await held.promise;
      return agent.answerRequest(request);
    });
    await payee.requestPrepay(retail, second);
    const works = [0n, 1n, 2n].map((seq) => workOf(randomHash(), seq, 11n * second, retail));
    for (const work of works) {
      await payee.earned(work);
      await agent.owe(work);
    }
    await payee.passed(works[0]!);
    const first = payee.requestVoucher(retail, "final");
    while (asked.length < 2) await immediate();
    await payee.passed(works[1]!);
    const next = payee.requestVoucher(retail, "final");
    await payee.passed(works[2]!);
    const last = payee.requestVoucher(retail);
    await immediate();
    held.resolve();
    assert.deepEqual((await Promise.all([first, next, last])).at(-1)!.vouchered, 33n);
    const hashes = asked.flatMap(({ receiptHashes }) => receiptHashes);
    assert.deepEqual(hashes.toSorted(), works.map(({ receiptHash }) => receiptHash).toSorted());
  });

  it("asks for what is payable when it is asked, where more becomes payable all the time", async () => {
    const buyer = createNodeKey(randomBytes(32));
    const retail = hubChannel(buyer.address, clusterAccount, token);
    const agent = await startPayer(await openStore(), undefined, { signer: buyer });
    await agent.openChannel(retail);
    let asked = 0;
    const payee = await startPayee(await openStore(), clusterAccount, async (_, request) => {
      asked += 1;
      await add();
      return agent.answerRequest(request);
    });
    async function add() {
      const work = workOf(randomHash(), 0n, 11n * second, retail);
      await payee.earned(work);
      await agent.owe(work);
      await payee.passed(work);
    }
    await payee.requestPrepay(retail, second);
    assert.equal((await payee.requestVoucher(retail, "final")).vouchered, 11n);
    assert.equal(asked, 2);
    assert.equal((await payee.requestVoucher(retail, "final")).vouchered, 22n);
  });

  it("asks no more of who never signs for one receipt while others become payable", async () => {
    const buyer = createNodeKey(randomBytes(32));
    const retail = hubChannel(buyer.address, clusterAccount, token);
    const agent = await startPayer(await openStore(), undefined, { signer: buyer });
    await agent.openChannel(retail);
    const asked: number[] = [];
    const payee = await startPayee(await openStore(), clusterAccount, async (_, request) => {
      asked.push(request.receiptHashes.length);
      await add(true);
      return agent.answerRequest(request);
    });
    async function add(isKnown: boolean) {
      const work = workOf(randomHash(), 0n, 11n * second, retail);
      await payee.earned(work);
      if (isKnown) await agent.owe(work);
      await payee.passed(work);
    }
    await payee.requestPrepay(retail, second);
    await add(false);
    await add(true);
    await assert.rejects(payee.requestVoucher(retail, "final"), { code: "VOUCHER_RECEIPT_UNKNOWN" });
    // A payment ahead, both, and then the one alone.
    assert.deepEqual(asked, [0, 3, 1]);
  });

  it("counts as vouchered what the chain paid, though no payee tells an agent that it has its answer", async () => {
    const buyer = createNodeKey(randomBytes(32));
    const retail = hubChannel(buyer.address, clusterAccount, token);
    const agent = await startPayer(await openStore(), undefined, { signer: buyer });
    await agent.openChannel(retail);
    const payee = await startPayee(await openStore(), clusterAccount, (_, request) => agent.answerRequest(request));
    await payee.requestPrepay(retail, second);
    const work = workOf(randomHash(), 0n, 30n * second, retail);
    await payee.earned(work);
    await agent.owe(work);
    await payee.passed(work);
    assert.equal((await payee.requestVoucher(retail)).vouchered, 30n);
    const told = async () => {
      const [{ vouchered, collected, unpaidExact }] = (await agent.status()) as [ChannelStatus];
      return { vouchered, collected, unpaidExact };
    };
    assert.deepEqual(await told(), { vouchered: 10n, collected: 0n, unpaidExact: 20n * second });
    on.chain.set(retail, { collected: 30n });
    await on.clock.advance(1_000);
    assert.deepEqual(await told(), { vouchered: 30n, collected: 30n, unpaidExact: 0n });
  });

  it("does not ask for ever an agent whose answers pay for nothing", async () => {
    const buyer = createNodeKey(randomBytes(32));
    const retail = hubChannel(buyer.address, clusterAccount, token);
    let previous: Voucher | undefined;
    const payee = await startPayee(await openStore(), clusterAccount, async (_, { kind, seq }) => {
      assert.ok(seq < 5n, "asked for ever");
      const value = nextVoucher(retail, previous, { cumulative: 0n, receiptsRoot: zeroHash });
      previous = value;
      const signature = await buyer.signer.sign(voucherStructure, domain, value);
      return { voucher: { value, signature }, receiptsRoot: zeroHash, receiptHashes: [], kind };
    });
    const work = workOf(randomHash(), 0n, second, retail);
    await payee.earned(work);
    await payee.passed(work);
    await assert.rejects(payee.requestVoucher(retail), { code: "VOUCHER_ANSWER_WRONG" });
  });

  it("lets an agent that lost its store go on from the voucher that the payee shows it", async () => {
    const buyer = createNodeKey(randomBytes(32));
    const retail = hubChannel(buyer.address, clusterAccount, token);
    let agent = await startPayer(await openStore(), undefined, { signer: buyer });
    await agent.openChannel(retail);
    let change = (request: VoucherRequest) => request;
    const payee = await startPayee(await openStore(), clusterAccount, (_, request) =>
      agent.answerRequest(change(request)),
    );
    const job = randomHash();
    const work = async (seq: bigint, exact: bigint) => {
      const done = workOf(job, seq, exact, retail);
      await payee.earned(done);
      await agent.owe(done);
      await payee.passed(done);
    };
    await work(0n, (39n * second) / 10n);
    assert.deepEqual(await payee.requestVoucher(retail), { vouchered: 3n, seq: 1n });
    agent = await startPayer(await openStore(), undefined, { signer: buyer });
    await agent.openChannel(retail);
    await work(1n, (12n * second) / 10n);
    const stranger = createNodeKey(randomBytes(32));
    change = ({ held, ...request }) => request;
    await assert.rejects(payee.requestVoucher(retail), { code: "VOUCHER_CHAIN_UNKNOWN" });
    const value = { ...retail, cumulative: 900n, seq: 1n, usageRoot: zeroHash };
    const forged = { value, signature: await stranger.signer.sign(voucherStructure, domain, value) };
    change = (request) => ({ ...request, held: forged });
    await assert.rejects(payee.requestVoucher(retail), { code: "VOUCHER_ANSWER_WRONG" });
    change = (request) => request;
    // The tenths that the first voucher rounded away were forgotten with the store: less than one unit, once.
    assert.deepEqual(await payee.requestVoucher(retail), { vouchered: 4n, seq: 2n });
    await work(2n, 2n * second);
    assert.deepEqual(await payee.requestVoucher(retail), { vouchered: 6n, seq: 3n });
  });

  it("never asks for more than it names while work becomes payable meanwhile", async () => {
    const buyer = createNodeKey(randomBytes(32));
    const retail = hubChannel(buyer.address, clusterAccount, token);
    const agent = await startPayer(await openStore(), undefined, { signer: buyer });
    await agent.openChannel(retail);
    let asked = 0;
    const payee = await startPayee(await openStore(), clusterAccount, (_, request) => {
      asked += 1;
      return agent.answerRequest(request);
    });
    const job = randomHash();
    const works = Array.from({ length: 60 }, (_, at) => workOf(job, BigInt(at), second, retail));
    for (const work of works) {
      await payee.earned(work);
      await agent.owe(work);
    }
    const passing = (async () => {
      for (const work of works) await payee.passed(work);
    })();
    let isPassing = true;
    void passing.finally(() => {
      isPassing = false;
    });
    while (isPassing) {
      await payee.requestVoucher(retail);
      // Where nothing is payable it answers at once, and what passes must come to pass.
      await immediate();
    }
    assert.ok(asked > 1);
    assert.equal((await payee.requestVoucher(retail, "final")).vouchered, 60n);
  });
});
