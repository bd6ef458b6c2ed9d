import assert from "node:assert/strict";
import { gasOf } from "../../../../node/chain/gas.ts";
import { systemClock } from "../../../../node/kernel/clock.ts";
import type { NodeKey } from "../../../../node/kernel/keys.ts";
import { nativeStatements } from "../../../../node/kernel/secp.ts";
import { nextVoucher } from "../../../../node/metering/voucher-rules.ts";
import type { VoucherRecord, VoucherStore } from "../../../../node/metering/voucher-store.ts";
import type { Payee, Payer, VoucherRequest } from "../../../../node/services/payment/index.ts";
import { PayeeService } from "../../../../node/services/payment/payee-service.ts";
import { PayerService } from "../../../../node/services/payment/payer-service.ts";
import { type SettlementOptions, settlementOptions } from "../../../../node/services/settlement/options.ts";
import { SettlementService } from "../../../../node/services/settlement/settlement-service.ts";
import { TokenValues } from "../../../../node/services/settlement/token-values.ts";
import { silentLogger } from "../../../../sdk/base/logger.ts";
import { silentMetrics } from "../../../../sdk/base/metrics.ts";
import { deposit, getCollectStatus, listCollections, reserve, thaw } from "../../../../sdk/client/actions/account.ts";
import { allotSigner, proveSigner, revokeSigner } from "../../../../sdk/client/actions/signers.ts";
import { type Channel, channelId, hubChannel } from "../../../../sdk/protocol/channel.ts";
import { type Address, type Hex, zeroHash } from "../../../../sdk/protocol/hex.ts";
import { voucherStructure } from "../../../../sdk/protocol/signed.ts";
import { toBaseUnits } from "../../../../sdk/protocol/units.ts";
import { collectAny } from "../../../support/collect-any.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { type MoneyMarket, openMarket, randomHash } from "../../../support/money-market.ts";

const quiet = { clock: systemClock, logger: silentLogger, metrics: silentMetrics, statements: nativeStatements };
const payeeSettings = {
  refreshMs: 60_000,
  creditGrowthPpm: 100_000,
  creditMaxFactor: 4,
  idleChannels: 1_000,
  leastReputation: 0,
  maxBounces: 1_000_000,
};
const payerSettings = { voucherEveryMs: 30_000, samplingRate: 1, prepayLimit: "1" };
const settlementSettings = defaultsOf(settlementOptions, {
  lookEveryMs: 60_000,
  memberGraceMs: 0,
  tokenCosts: collectAny,
});
const freeLpt = { token: "LPT", perNative: "0", leastAmount: "0" };
/** A gas price that the test sets. */
const gas = { price: 10n ** 8n };
const farFuture = 4_000_000_000n;

describe("settlement", () => {
  let market: MoneyMarket;
  const parts: { stop(): Promise<void> }[] = [];
  before(async function () {
    this.timeout(60_000);
    market = await openMarket({ USDC: 10n ** 9n, LPT: 10n ** 21n });
  });
  after(() => market?.close());
  afterEach(async () => {
    for (const part of parts.splice(0).reverse()) await part.stop();
  });

  const startPayee = async (payee: Address, vouchers: VoucherStore, askPayer?: AskPayer) => {
    const service = new PayeeService(
      { ...quiet, vouchers, domain: market.domain, chain: market.view, payee, askPayer },
      payeeSettings,
    );
    parts.push(service);
    await service.start();
    return service;
  };
  type AskPayer = (payer: Address, request: VoucherRequest) => ReturnType<Payer["answerRequest"]>;
  const startPayer = async (key: NodeKey, vouchers: VoucherStore, payee?: Pick<Payee, "accept">) => {
    const deliver =
      payee === undefined ? undefined : (_: Address, offer: Parameters<Payee["accept"]>[0]) => payee.accept(offer);
    const service = new PayerService(
      { ...quiet, vouchers, domain: market.domain, chain: market.view, signer: key.signer, deliver },
      payerSettings,
    );
    parts.push(service);
    await service.start();
    return service;
  };
  const startSettlement = async (
    key: NodeKey,
    vouchers: VoucherStore,
    payee: Payee,
    own: { membersOf?: Address; settings?: Partial<SettlementOptions> } = {},
  ) => {
    const settings = { ...settlementSettings, ...own.settings };
    const { deployment } = market.anvil;
    const service = new SettlementService(
      {
        ...quiet,
        vouchers,
        payee,
        chain: market.view,
        sender: await market.sender(key),
        deployment,
        gas: { ...gasOf(market.publicClient), gasPrice: async () => gas.price },
        tokens: await TokenValues.read({
          costs: settings.tokenCosts,
          tokens: deployment.tokens,
          decimalsOf: (token) => market.view.decimalsOf(token),
        }),
        ...(own.membersOf === undefined ? {} : { membersOf: own.membersOf }),
      },
      settings,
    );
    parts.push(service);
    await service.start();
    return service;
  };
  const termsOf = (channel: Channel, job: Hex, exactPerSecond: bigint) => ({
    job,
    attempt: 1,
    channel,
    exactPerSecond,
    segmentMs: 4_000,
    samplingRate: 1,
    validUntil: farFuture,
  });

  for (const [token, exactPerSecond] of [
    ["USDC", 31n * 10n ** 24n + 7n],
    ["LPT", 31n * 10n ** 24n + 7n],
  ] as const) {
    it(`pays a node in ${token} from the cluster's account, to the base unit`, async function () {
      this.timeout(30_000);
      const channel = market.wholesale(market.anvil.deployment.tokens[token]);
      const { vouchers: held } = await market.openStore(`node-${token}`);
      const { vouchers: issued } = await market.openStore(`balancer-${token}`);
      const payee = await startPayee(market.node.address, held);
      const payer = await startPayer(market.balancer, issued, payee);
      const settlement = await startSettlement(market.node, held, payee);
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
    const agent = await startPayer(market.buyer, issued);
    await agent.openChannel(channel);
    const payee = await startPayee(market.account, held, (_, request) => agent.answerRequest(request));
    const settlement = await startSettlement(market.balancer, held, payee);
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
    const agent = await startPayer(hot, issued);
    await agent.openChannel(channel);
    const payee = await startPayee(market.account, held, (_, request) => agent.answerRequest(request));
    const settlement = await startSettlement(market.balancer, held, payee);
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

    // The key signs nothing more, whatever it is asked for, and after a revocation nothing at all.
    await work();
    await work();
    await assert.rejects(payee.requestVoucher(channel), { code: "VOUCHER_SIGNER_CAP" });
    const ended = await revokeSigner(cold, { ...payment, signer: hot.address });
    await market.view.whenConfirmed(ended.blockNumber);
    await assert.rejects(payee.requestVoucher(channel), { code: "VOUCHER_SIGNER_EXPIRED" });
    const next = nextVoucher(channel, (await held.newest("held", channelId(channel)))!.voucher.value, {
      cumulative: vouchered + 1n,
      receiptsRoot: zeroHash,
    });
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
    const payee = await startPayee(market.node.address, held);
    const payer = await startPayer(market.balancer, issued, payee);
    const settlement = await startSettlement(market.node, held, payee);
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
    const first = await startPayee(market.node.address, held);
    const payer = await startPayer(market.balancer, issued, first);
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
    const second = await startPayee(market.node.address, held);
    const settlement = await startSettlement(market.node, held, second);
    await settlement.settled(channel.payer);
    assert.equal((await market.view.channelState(channel)).collected, before + 500n);
  });

  /** Both sides hold a voucher of so many base units beyond what the chain paid. */
  const putVoucher = async (
    signer: NodeKey,
    channel: Channel,
    open: bigint,
    stores: { issued?: VoucherStore; held?: VoucherStore },
  ): Promise<bigint> => {
    const cumulative = (await market.view.channelState(channel)).collected + open;
    const value = { ...channel, cumulative, seq: 1n, usageRoot: randomHash() };
    const voucher = { value, signature: await signer.signer.sign(voucherStructure, market.domain, value) };
    const parts = { receiptsRoot: randomHash(), receiptHashes: [], acknowledged: true };
    const record = { channel: channelId(channel), voucher, ...parts };
    for (const side of ["issued", "held"] as const) {
      await stores[side]?.put(side, { record, expectedSeq: 0n, covered: [] });
    }
    return cumulative;
  };

  it("pays the members of a cluster in the transaction that collects from its buyers", async function () {
    this.timeout(30_000);
    const { USDC, LPT } = market.anvil.deployment.tokens;
    const { vouchers: books } = await market.openStore("balancer-for-members");
    const { vouchers: held } = await market.openStore("member");
    const fromBuyer = await putVoucher(market.buyer, market.retail(USDC), 5_000n, { held: books });
    const toNode = await putVoucher(market.balancer, market.wholesale(USDC), 4_000n, { issued: books, held });
    // On another token no buyer's collection is under way: the member's voucher stays where it is.
    await putVoucher(market.balancer, market.wholesale(LPT), 1n, { issued: books });
    const nonce = () => market.publicClient.getTransactionCount({ address: market.node.address });
    const before = await nonce();
    const member = await startSettlement(market.node, held, await startPayee(market.node.address, held), {
      settings: { memberGraceMs: 600_000 },
    });
    const payee = await startPayee(market.account, books);
    const settlement = await startSettlement(market.balancer, books, payee, { membersOf: market.account });
    await settlement.settled(market.buyer.address);
    await member.settled(market.account);
    const [retail, wholesale] = await Promise.all([
      market.view.channelState(market.retail(USDC)),
      market.view.channelState(market.wholesale(USDC)),
    ]);
    assert.equal(retail.collected, fromBuyer);
    assert.equal(wholesale.collected, toNode);
    assert.equal(retail.collectTransaction, wholesale.collectTransaction);
    // The node never sent anything, and has nothing left to send.
    assert.deepEqual(await member.collectNow(), []);
    assert.equal(await nonce(), before);
    assert.equal((await books.collected(channelId(market.wholesale(USDC))))?.collected, toNode);
  });

  it("leaves what is not worth its gas until the payer thaws", async function () {
    this.timeout(30_000);
    const channel = market.wholesale(market.anvil.deployment.tokens.USDC);
    const { vouchers: held } = await market.openStore("node-dear-gas");
    const total = await putVoucher(market.balancer, channel, 100_000n, { held });
    const payee = await startPayee(market.node.address, held);
    // At 0.1 gwei and 3,000 USDC a claim alone costs 0.0186 USDC: more than a tenth of 0.1, less than all of it.
    const tokenCosts = [{ token: "USDC", perNative: "3000", leastAmount: "0" }, freeLpt];
    const settlement = await startSettlement(market.node, held, payee, { settings: { tokenCosts } });
    assert.deepEqual(await settlement.collectDue(), []);
    const thawing = { payee: market.node.address, token: channel.token, amount: 1n, asCluster: market.cluster };
    await thaw(market.anvil.client(market.balancer), thawing);
    await settlement.settled(channel.payer);
    assert.equal((await market.view.channelState(channel)).collected, total);
  });

  it("without a price leaves what is less than the least amount, and collects that", async function () {
    this.timeout(30_000);
    const { USDC } = market.anvil.deployment.tokens;
    const payer = await market.anvil.key(31);
    const channel = hubChannel(payer.address, market.node.address, USDC);
    const own = { payee: channel.payee, token: USDC, amount: 1_000_000n };
    const tokenCosts = [{ token: "USDC", perNative: "0", leastAmount: "0.01" }, freeLpt];
    await market.anvil.mint(USDC, payer.address, own.amount);
    await deposit(market.anvil.client(payer), own);
    const { blockNumber } = await reserve(market.anvil.client(payer), own);
    await market.view.whenConfirmed(blockNumber);
    for (const [open, isCollected] of [
      [9_999n, false],
      [10_000n, true],
    ] as const) {
      const { vouchers: held } = await market.openStore(`node-cent-${open}`);
      const total = await putVoucher(payer, channel, open, { held });
      const payee = await startPayee(market.node.address, held);
      const settlement = await startSettlement(market.node, held, payee, { settings: { tokenCosts } });
      await settlement.collectDue();
      assert.equal((await market.view.channelState(channel)).collected === total, isCollected);
    }
  });

  it("after a bounce sends nothing for crumbs in the payer's pool, and collects what is worth its gas", async function () {
    this.timeout(30_000);
    const { USDC } = market.anvil.deployment.tokens;
    const poor = await market.anvil.key(30);
    const channel = hubChannel(poor.address, market.node.address, USDC);
    const { vouchers: held } = await market.openStore("node-bounced");
    await putVoucher(poor, channel, 10n ** 9n, { held });
    // A claim costs 0.0186 USDC.
    const tokenCosts = [{ token: "USDC", perNative: "3000", leastAmount: "0" }, freeLpt];
    const fill = async (amount: bigint) => {
      await market.anvil.mint(USDC, poor.address, amount);
      const { blockNumber } = await deposit(market.anvil.client(poor), { token: USDC, amount });
      await market.view.whenConfirmed(blockNumber);
    };
    await fill(1_000n);
    // Another that thaws brings its own gas, but not that of both: it is collected alone.
    const rich = market.wholesale(USDC);
    const total = await putVoucher(market.balancer, rich, 20_000n, { held });
    const thawing = { payee: market.node.address, token: USDC, amount: 1n, asCluster: market.cluster };
    const { blockNumber } = await thaw(market.anvil.client(market.balancer), thawing);
    await market.view.whenConfirmed(blockNumber);
    const payee = await startPayee(market.node.address, held);
    const settlement = await startSettlement(market.node, held, payee, { settings: { tokenCosts } });
    await settlement.collectDue();
    assert.deepEqual(
      [(await market.view.channelState(rich)).collected, (await market.view.channelState(channel)).collected],
      [total, 0n],
    );
    assert.deepEqual(await settlement.collectDue(), []);
    await fill(20_000n);
    assert.equal((await settlement.collectDue()).length, 1);
    assert.equal((await market.view.channelState(channel)).collected, 21_000n);
  });
});

function recordOf(channel: Channel, cumulative: bigint): VoucherRecord {
  const voucher = {
    value: { ...channel, cumulative, seq: 1n, usageRoot: randomHash() },
    signature: `0x${"11".repeat(65)}` as Hex,
  };
  return {
    channel: channelId(channel),
    voucher,
    receiptsRoot: randomHash(),
    receiptHashes: [],
    acknowledged: true,
  };
}
