import assert from "node:assert/strict";
import { nextVoucher } from "../../../../node/metering/voucher-rules.ts";
import { getCollectStatus, listCollections, thaw } from "../../../../sdk/client/actions/account.ts";
import { allotSigner, proveSigner, revokeSigner } from "../../../../sdk/client/actions/signers.ts";
import { channelId } from "../../../../sdk/protocol/channel.ts";
import { zeroHash } from "../../../../sdk/protocol/hex.ts";
import { voucherStructure } from "../../../../sdk/protocol/signed.ts";
import { toBaseUnits } from "../../../../sdk/protocol/units.ts";
import { type MoneyMarket, randomHash } from "../../../support/money-market.ts";
import { openSettlementScene, recordOf, type SettlementScene, termsOf } from "../../../support/settlement-scene.ts";

describe("settlement", () => {
  let scene: SettlementScene;
  let market: MoneyMarket;
  before(async function () {
    this.timeout(60_000);
    scene = await openSettlementScene();
    ({ market } = scene);
  });
  after(() => scene?.close());
  afterEach(() => scene.stop());

  for (const [token, exactPerSecond] of [
    ["USDC", 31n * 10n ** 24n + 7n],
    ["LPT", 31n * 10n ** 24n + 7n],
  ] as const) {
    it(`pays a node in ${token} from the cluster's account, to the base unit`, async function () {
      this.timeout(30_000);
      const channel = market.wholesale(market.anvil.deployment.tokens[token]);
      const { vouchers: held } = await market.openStore(`node-${token}`);
      const { vouchers: issued } = await market.openStore(`balancer-${token}`);
      const payee = await scene.startPayee(market.node.address, held);
      const payer = await scene.startPayer(market.balancer, issued, payee);
      const settlement = await scene.startSettlement(market.node, held, payee);
      const job = randomHash();
      const terms = termsOf(channel, job, exactPerSecond);
      await assert.rejects(payee.openJob(terms), { code: "CREDIT_PREPAY_REQUIRED" });
      const prepay = await payer.prepay(channel, exactPerSecond);
      await payee.openJob(terms, prepay);
      await payer.acknowledged(prepay!);
      assert.equal(await payer.prepay(channel, exactPerSecond), undefined);

      let exact = 0n;
      for (let seq = 0n; seq < 20n; seq += 1n) {
        const work = { job, attempt: 1, seq, channel, exact: exactPerSecond * 2n, receiptHash: randomHash() };
        assert.equal(payee.mayWork(job), "ok");
        assert.equal(await payee.earned(work), true);
        assert.equal(await payer.owe(work), true);
        assert.equal(await payer.owe(work), false);
        await payer.passed(work);
        exact += work.exact;
      }
      await payer.release(job, 1);
      const decimals = token === "USDC" ? 6 : 18;
      const total = toBaseUnits(exact, decimals);
      assert.equal((await payer.settleNow(channel)).vouchered, total);
      await payee.closeJob(job, 1, { forfeit: false });
      await settlement.settled(channel.payer);

      const state = await getCollectStatus(market.anvil.client(market.node), channel);
      assert.equal(state.collected, total);
      const record = await held.collected(channelId(channel));
      const collections = await listCollections(market.anvil.client(market.node), { payee: market.node.address });
      const events = collections.filter((event) => event.token === channel.token);
      assert.equal(
        events.reduce((sum, event) => sum + event.amount, 0n),
        total,
      );
      assert.equal(record?.transaction, events.at(-1)?.transaction);
      const [status] = await payee.status();
      assert.equal(status?.vouchered, total);
      assert.ok(status!.largestUnpaidExact > 0n && status!.unpaidExact < 10n ** BigInt(30 - decimals));
      // Nothing is left to collect: no transaction, no gas.
      assert.deepEqual(await settlement.collectNow(), []);
    });
  }

  it("has a buyer's agent sign for what the balancer asks, and collects for the cluster's account", async function () {
    this.timeout(30_000);
    const channel = market.retail(market.anvil.deployment.tokens.USDC);
    const { vouchers: held } = await market.openStore("balancer-as-payee");
    const { vouchers: issued } = await market.openStore("agent");
    const agent = await scene.startPayer(market.buyer, issued);
    await agent.openChannel(channel);
    const payee = await scene.startPayee(market.account, held, (_, request) => agent.answerRequest(request));
    const settlement = await scene.startSettlement(market.balancer, held, payee);
    const exactPerSecond = 10n ** 25n;
    await payee.requestPrepay(channel, exactPerSecond);
    const job = randomHash();
    await payee.openJob(termsOf(channel, job, exactPerSecond));
    const works = [0n, 1n, 2n].map((seq) => ({
      job,
      attempt: 1,
      seq,
      channel,
      exact: 7n * 10n ** 25n,
      receiptHash: randomHash(),
    }));
    for (const work of works) {
      await payee.earned(work);
      await payee.passed(work);
    }
    await assert.rejects(payee.requestVoucher(channel), { code: "VOUCHER_RECEIPT_UNKNOWN" });
    for (const work of works) await agent.owe(work);
    assert.deepEqual(await payee.requestVoucher(channel, "final"), { vouchered: 210n, seq: 2n });
    await payee.closeJob(job, 1, { forfeit: false });
    await settlement.settled(channel.payer);
    assert.equal((await getCollectStatus(market.anvil.client(market.buyer), channel)).collected, 210n);
  });

  it("collects what an allotted key signed, and the work stops at its cap with nothing unpaid", async function () {
    this.timeout(60_000);
    const token = market.anvil.deployment.tokens.LPT;
    const channel = market.retail(token);
    const cold = market.anvil.client(market.buyer);
    const hot = await market.anvil.key(6);
    const { vouchers: held } = await market.openStore("balancer-allotted");
    const { vouchers: issued } = await market.openStore("agent-allotted");
    const agent = await scene.startPayer(hot, issued);
    await agent.openChannel(channel);
    const payee = await scene.startPayee(market.account, held, (_, request) => agent.answerRequest(request));
    const settlement = await scene.startSettlement(market.balancer, held, payee);
    // One base unit a second.
    const exactPerSecond = 10n ** 12n;
    await assert.rejects(payee.requestPrepay(channel, exactPerSecond), { code: "VOUCHER_SIGNER_WRONG" });

    const proof = await proveSigner(cold, hot.signer, market.buyer.address);
    const { timestamp } = await cold.publicClient.getBlock();
    const payment = { payee: market.account, token };
    const made = await allotSigner(cold, { ...payment, cap: 100n, validUntil: timestamp + 86_400n, proof });
    await market.view.whenConfirmed(made.blockNumber);
    assert.equal((await payee.requestPrepay(channel, exactPerSecond)).vouchered, 10n);
    const job = randomHash();
    await payee.openJob(termsOf(channel, job, exactPerSecond));
    let seq = 0n;
    const work = async () => {
      const done = { job, attempt: 1, seq, channel, exact: 4n * exactPerSecond, receiptHash: randomHash() };
      seq += 1n;
      await payee.earned(done);
      await agent.owe(done);
      await payee.passed(done);
    };
    while (payee.mayWork(job) === "ok") {
      await work();
      await payee.requestVoucher(channel);
    }
    assert.equal(payee.mayWork(job), "CREDIT_SIGNER_SPENT");
    // What was under way when the work stopped.
    await work();
    const { vouchered } = await payee.requestVoucher(channel, "final");
    assert.equal(vouchered, seq * 4n);
    assert.ok(vouchered > 90n && vouchered <= 100n, String(vouchered));
    assert.equal((await payee.status())[0]!.unpaidExact, 0n);
    await payee.closeJob(job, 1, { forfeit: false });
    await settlement.settled(channel.payer);
    assert.equal((await getCollectStatus(cold, channel)).collected, vouchered);

    // The key signs nothing above its cap, whatever it is asked for, and after a revocation nothing at all.
    await work();
    await work();
    await assert.rejects(payee.requestVoucher(channel), { code: "VOUCHER_SIGNER_CAP" });
    const ended = await revokeSigner(cold, { ...payment, signer: hot.address });
    await market.view.whenConfirmed(ended.blockNumber);
    await assert.rejects(payee.requestVoucher(channel), { code: "VOUCHER_SIGNER_EXPIRED" });
    const last = (await held.newest("held", channelId(channel)))!.voucher.value;
    const next = nextVoucher(channel, last, { cumulative: last.cumulative + 1n, receiptsRoot: zeroHash });
    const signature = await hot.signer.sign(voucherStructure, market.domain, next);
    const stolen = { voucher: { value: next, signature }, receiptsRoot: zeroHash, receiptHashes: [] };
    await assert.rejects(payee.accept({ ...stolen, kind: "usage" }), { code: "VOUCHER_SIGNER_EXPIRED" });
  });

  it("collects while the job goes on when its payer starts to thaw, before the reserve is gone", async function () {
    this.timeout(30_000);
    const channel = market.wholesale(market.anvil.deployment.tokens.LPT);
    const before = (await market.view.channelState(channel)).collected;
    const { vouchers: held } = await market.openStore("node-thaw");
    const { vouchers: issued } = await market.openStore("balancer-thaw");
    const past = { record: recordOf(channel, before), expectedSeq: 0n, covered: [] };
    await issued.put("issued", past);
    await held.put("held", past);
    const payee = await scene.startPayee(market.node.address, held);
    const payer = await scene.startPayer(market.balancer, issued, payee);
    const settlement = await scene.startSettlement(market.node, held, payee);
    const job = randomHash();
    await payee.openJob(termsOf(channel, job, 1n));
    const exact = (before + 9n) * 10n ** 12n;
    const work = { job, attempt: 1, seq: 0n, channel, exact, receiptHash: randomHash() };
    await payee.earned(work);
    await payer.owe(work);
    await payer.passed(work);
    await payer.settleNow(channel);
    assert.equal((await market.view.channelState(channel)).collected, before);
    const all = (await market.view.channelState(channel)).reserve;
    const token = channel.token;
    await thaw(market.anvil.client(market.balancer), {
      payee: market.node.address,
      token,
      amount: all,
      asCluster: market.cluster,
    });
    await settlement.settled(channel.payer);
    assert.equal((await market.view.channelState(channel)).collected, before + 9n);
    assert.equal(payee.openJobs(channelId(channel)), 1);
  });

  it("resumes from the store what a killed process had not collected", async function () {
    this.timeout(30_000);
    const channel = market.wholesale(market.anvil.deployment.tokens.USDC);
    const before = (await market.view.channelState(channel)).collected;
    const { vouchers: held } = await market.openStore("node-resume");
    const { vouchers: issued } = await market.openStore("balancer-resume");
    const first = await scene.startPayee(market.node.address, held);
    const payer = await scene.startPayer(market.balancer, issued, first);
    const job = randomHash();
    // The channel has a past that this fresh store does not know: its vouchers begin beyond it.
    const past = { record: recordOf(channel, before), expectedSeq: 0n, covered: [] };
    await issued.put("issued", past);
    await held.put("held", past);
    await first.openJob(termsOf(channel, job, 10n ** 24n));
    const exact = (before + 500n) * 10n ** 24n;
    const work = { job, attempt: 1, seq: 0n, channel, exact, receiptHash: randomHash() };
    await first.earned(work);
    await payer.owe(work);
    await payer.passed(work);
    assert.equal((await payer.settleNow(channel)).vouchered, before + 500n);
    // No settlement ran until here. Another process opens the same store.
    const second = await scene.startPayee(market.node.address, held);
    const settlement = await scene.startSettlement(market.node, held, second);
    await settlement.settled(channel.payer);
    assert.equal((await market.view.channelState(channel)).collected, before + 500n);
  });
});
