import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { createNodeKey, type NodeKey } from "../../../../node/kernel/keys.ts";
import { nativeStatements } from "../../../../node/kernel/secp.ts";
import { nextVoucher } from "../../../../node/metering/voucher-rules.ts";
import type { VoucherStore } from "../../../../node/metering/voucher-store.ts";
import type { VoucherAnswer, VoucherRequest } from "../../../../node/services/payment/index.ts";
import { PayeeService } from "../../../../node/services/payment/payee-service.ts";
import { PayerService } from "../../../../node/services/payment/payer-service.ts";
import { Database } from "../../../../node/store/database.ts";
import { LevelVoucherStore } from "../../../../node/store/vouchers.ts";
import { silentLogger } from "../../../../sdk/base/logger.ts";
import { silentMetrics } from "../../../../sdk/base/metrics.ts";
import { type Channel, hubChannel } from "../../../../sdk/protocol/channel.ts";
import { createDomain } from "../../../../sdk/protocol/eip712.ts";
import { type Address, bytesToHex, type Hex, zeroHash } from "../../../../sdk/protocol/hex.ts";
import type { VoucherOffer } from "../../../../sdk/protocol/job.ts";
import { type Voucher, voucherStructure } from "../../../../sdk/protocol/signed.ts";
import { toBaseUnits, toExact } from "../../../../sdk/protocol/units.ts";
import { MemoryChannelView } from "../../../support/channel-view.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const domain = createDomain(31337, `0x${"e5".repeat(20)}`);
const token: Address = `0x${"70".repeat(20)}`;
const clusterAccount: Address = `0x${"c1".repeat(20)}`;
const second = 10n ** 24n;
const randomHash = (): Hex => bytesToHex(randomBytes(32));
const payeeSettings = { refreshMs: 5_000, creditGrowthPpm: 100_000, creditMaxFactor: 4 };

describe("payer and payee", () => {
  let folder: string;
  let opened = 0;
  const databases: Database[] = [];
  const parts: { stop(): Promise<void> }[] = [];
  let clock: ManualClock;
  let chain: MemoryChannelView;
  let balancer: NodeKey;
  let node: NodeKey;
  let channel: Channel;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-payment-"));
    clock = new ManualClock();
    chain = new MemoryChannelView(10n ** 9n);
    balancer = createNodeKey(randomBytes(32));
    node = createNodeKey(randomBytes(32));
    chain.allow(clusterAccount, balancer.address);
    channel = hubChannel(clusterAccount, node.address, token);
  });
  afterEach(async () => {
    for (const part of parts.splice(0).reverse()) await part.stop();
    for (const database of databases.splice(0)) await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  const openStore = async (): Promise<VoucherStore> => {
    opened += 1;
    const database = await Database.open(join(folder, String(opened)));
    databases.push(database);
    return new LevelVoucherStore(database);
  };
  const quiet = () => ({
    clock,
    logger: silentLogger,
    metrics: silentMetrics,
    statements: nativeStatements,
    domain,
    chain,
  });
  const startPayee = async (
    vouchers: VoucherStore,
    payee = node.address,
    askPayer?: (payer: Address, request: VoucherRequest) => Promise<VoucherOffer>,
  ) => {
    const service = new PayeeService({ ...quiet(), vouchers, payee, askPayer }, payeeSettings);
    parts.push(service);
    await service.start();
    return service;
  };
  const startPayer = async (
    vouchers: VoucherStore,
    deliver?: (payee: Address, offer: VoucherOffer) => Promise<VoucherAnswer>,
    settings: { samplingRate?: number; signer?: NodeKey } = {},
  ) => {
    const { samplingRate = 1, signer = balancer } = settings;
    const service = new PayerService(
      { ...quiet(), vouchers, signer: signer.signer, deliver },
      { voucherEveryMs: 10_000, samplingRate, prepayLimit: "1" },
    );
    parts.push(service);
    await service.start();
    return service;
  };
  const workOf = (job: Hex, seq: bigint, exact = second, of = channel) => ({
    job,
    attempt: 1,
    seq,
    channel: of,
    exact,
    receiptHash: randomHash(),
  });
  const termsOf = (job: Hex, exactPerSecond = second) => ({
    job,
    attempt: 1,
    channel,
    exactPerSecond,
    segmentMs: 4_000,
    samplingRate: 1,
    validUntil: 4_000_000_000n,
  });
  /** A payee, a payer that reaches it, and an open job. */
  const openPair = async (exactPerSecond = second) => {
    const [held, issued] = [await openStore(), await openStore()];
    const payee = await startPayee(held);
    const payer = await startPayer(issued, (_, offer) => payee.accept(offer));
    const job = randomHash();
    await payee.openJob(termsOf(job, exactPerSecond), await payer.prepay(channel, exactPerSecond));
    return { held, issued, payee, payer, job };
  };

  it("lets a new payer begin only with 10 s paid ahead, and keeps the rest as credit", async () => {
    const payee = await startPayee(await openStore());
    const payer = await startPayer(await openStore(), (_, offer) => payee.accept(offer));
    const job = randomHash();
    await assert.rejects(payee.openJob(termsOf(job)), { code: "CREDIT_PREPAY_REQUIRED" });
    assert.equal(payee.mayWork(job), "CREDIT_EXHAUSTED");
    const cheap = await payer.prepay(channel, second / 2n);
    await assert.rejects(payee.openJob(termsOf(job), cheap), { code: "CREDIT_PREPAY_SHORT" });
    await payee.openJob(termsOf(job, second / 2n), cheap);
    for (let seq = 0n; seq < 8n; seq += 1n) {
      const work = workOf(job, seq);
      await payee.earned(work);
      await payer.owe(work);
      await payer.passed(work);
    }
    assert.deepEqual(await payer.settleNow(channel), { vouchered: 8n, seq: 2n });
    const [status] = await payee.status();
    assert.equal(status?.largestUnpaidExact, 3n * second);
    // Nobody asks a payer twice to pay ahead.
    await payee.openJob(termsOf(randomHash()));
  });

  it("brings a prepayment that was signed for a cheaper job before it asks for a dearer one", async () => {
    const payee = await startPayee(await openStore());
    const payer = await startPayer(await openStore(), (_, offer) => payee.accept(offer));
    const cheap = await payer.prepay(channel, second);
    assert.deepEqual(await payer.prepay(channel, second), cheap);
    assert.equal(await payer.prepay(channel, 2n * second), undefined);
    await payee.openJob(termsOf(randomHash(), 2n * second));
  });

  it("refuses a reserve that does not cover the credit, an expired quote, and money for somebody else", async () => {
    const { payee, payer, job } = await openPair();
    const expired = { ...termsOf(job), validUntil: 1n };
    await assert.rejects(payee.openJob(expired), { code: "CREDIT_QUOTE_EXPIRED" });
    chain.set(channel, { reserve: 73n });
    await assert.rejects(payee.openJob(termsOf(randomHash())), { code: "CREDIT_RESERVE_SHORT" });
    const other = hubChannel(clusterAccount, balancer.address, token);
    await assert.rejects(payee.openJob({ ...termsOf(job), channel: other }), { code: "VOUCHER_PAYEE_WRONG" });
    const shared = { ...channel, cluster: 1n, clusterPpm: 10 };
    await assert.rejects(payee.openJob({ ...termsOf(job), channel: shared }), { code: "VOUCHER_SHARE_UNWANTED" });
    void payer;
  });

  it("counts a job's credit for a minute after its end, since its pay is still on the way", async () => {
    const { payee, job } = await openPair();
    for (let seq = 0n; seq < 50n; seq += 1n) await payee.earned(workOf(job, seq));
    const cheap = randomHash();
    await payee.openJob(termsOf(cheap, second / 100n));
    await payee.closeJob(job, 1, { forfeit: false });
    assert.equal(payee.mayWork(cheap), "ok");
    await clock.advance(60_000);
    assert.equal(payee.mayWork(cheap), "CREDIT_EXHAUSTED");
  });

  it("stops at the credit limit and goes on when a voucher comes", async () => {
    const { payee, payer, job } = await openPair();
    const limit = (await payee.status())[0]!.creditLimitExact;
    assert.equal(limit, 4n * second + 60n * second);
    let seq = 0n;
    while (payee.mayWork(job) === "ok") {
      const work = workOf(job, seq, 2n * second);
      await payee.earned(work);
      await payer.owe(work);
      seq += 1n;
    }
    // 10 s were paid ahead: 64 s of credit come on top.
    assert.equal(seq, 37n);
    for (let at = 0n; at < seq; at += 1n) await payer.passed({ job, attempt: 1, seq: at });
    await payer.settleNow(channel);
    assert.equal(payee.mayWork(job), "ok");
  });

  it("pays a channel's work to the base unit, whatever the amounts and vouchers between", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.bigInt({ min: 0n, max: 10n ** 26n }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
        async (amounts, settles) => {
          node = createNodeKey(randomBytes(32));
          channel = hubChannel(clusterAccount, node.address, token);
          const { payee, payer, job } = await openPair(1n);
          for (const [at, exact] of amounts.entries()) {
            const work = workOf(job, BigInt(at), exact);
            await payee.earned(work);
            await payer.owe(work);
            await payer.passed(work);
            if (settles[at]) await payer.settleNow(channel);
          }
          const sum = amounts.reduce((total, exact) => total + exact, 0n);
          const expected = toBaseUnits(sum, 6) > 1n ? toBaseUnits(sum, 6) : 1n;
          assert.equal((await payer.settleNow(channel)).vouchered, expected);
          assert.equal((await payee.status())[0]!.vouchered, expected);
        },
      ),
      { numRuns: 12 },
    );
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
    await clock.advance(10_000);
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
    await assert.rejects(first.settleNow(channel), /away/);
    await assert.rejects(first.settleNow(channel), /away/);
    // The second process knows what the first had on disk.
    const again = await startPayer(issued, (_, offer) => {
      offers.push(offer);
      return payee.accept(offer);
    });
    assert.deepEqual(await again.settleNow(channel), { vouchered: 5n, seq: 1n });
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
      await payer.settleNow(channel);
    }
    const fresh = await startPayer(await openStore(), (_, offer) => payee.accept(offer));
    const work = workOf(job, 3n, 10n * second);
    await payee.earned(work);
    await fresh.owe(work);
    await fresh.passed(work);
    // The prepayment and three vouchers were held; the adopted one is followed by the fifth.
    assert.deepEqual(await fresh.settleNow(channel), { vouchered: 40n, seq: 5n });
    assert.equal((await payee.status())[0]!.unpaidExact, 0n);
  });

  it("acknowledges the same offer twice and answers a stale or forked one with what it holds", async () => {
    const { payee, issued, payer, job } = await openPair();
    const work = workOf(job, 0n, 20n * second);
    await payer.owe(work);
    await payer.passed(work);
    await payer.settleNow(channel);
    const newest = (await issued.all("issued"))[0]!;
    const offer = { ...newest, kind: "usage" as const };
    const acknowledged = { acknowledged: { channel: newest.channel, cumulative: 20n, seq: 2n } };
    assert.deepEqual(await payee.accept(offer), acknowledged);
    const forked = { ...offer, voucher: { ...offer.voucher, value: { ...offer.voucher.value, cumulative: 21n } } };
    assert.deepEqual(await payee.accept(forked), { held: newest.voucher });
  });

  it("takes no voucher of a stranger, with a broken signature, or above the reserve", async () => {
    const { payer, payee, job } = await openPair();
    const stranger = await startPayer(await openStore(), undefined, { signer: node });
    const theirs = (await stranger.prepay(channel, 2n * second))!;
    const fresh = await startPayee(await openStore());
    await assert.rejects(fresh.accept(theirs), { code: "VOUCHER_SIGNER_WRONG" });
    const cut = { ...theirs, voucher: { ...theirs.voucher, signature: `0x${"00".repeat(65)}` as Hex } };
    await assert.rejects(fresh.accept(cut), { code: "VOUCHER_SIGNATURE_INVALID" });
    chain.set(channel, { reserve: 99n });
    await clock.advance(payeeSettings.refreshMs);
    const work = workOf(job, 0n, 100n * second);
    await payer.owe(work);
    await payer.passed(work);
    await assert.rejects(payer.settleNow(channel), { code: "VOUCHER_ABOVE_RESERVE" });
    // Collected before is no claim on the reserve.
    chain.set(channel, { collected: 10n, reserve: 90n });
    assert.equal((await payer.settleNow(channel)).vouchered, 100n);
    void payee;
  });

  it("holds back the newest 20 segments where one in 20 is checked, and pays them at the end", async () => {
    const [held, issued] = [await openStore(), await openStore()];
    const payee = await startPayee(held);
    const payer = await startPayer(issued, (_, offer) => payee.accept(offer), { samplingRate: 0.05 });
    const job = randomHash();
    for (let seq = 0n; seq < 25n; seq += 1n) await payer.owe(workOf(job, seq));
    assert.equal((await payer.settleNow(channel)).vouchered, 5n);
    await payer.release(job, 1);
    assert.equal((await payer.settleNow(channel)).vouchered, 25n);
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
    assert.equal((await payer.settleNow(channel)).vouchered, 20n);
    assert.equal((await payee.status())[0]!.unpaidExact, 10n * second);
    await payee.closeJob(job, 1, { forfeit: true });
    assert.equal((await payee.status())[0]!.unpaidExact, 0n);
    assert.equal(await payer.owe(workOf(job, 31n)), true);
    await payer.release(job, 1);
    assert.equal((await payer.settleNow(channel)).vouchered, 20n);
  });

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
    const ahead = { ...ask, kind: "prepay" as const, cumulative: 30n, receiptHashes: [] };
    await assert.rejects(agent.answerRequest(ahead), { code: "VOUCHER_PREPAY_REFUSED" });
    const skipped = { ...ask, seq: 5n, cumulative: 33n, receiptHashes: [works[1]!.receiptHash] };
    await assert.rejects(agent.answerRequest(skipped), { code: "VOUCHER_CHAIN_UNKNOWN" });
    await agent.forfeit(job, 1);
    await payee.passed(works[1]!);
    await assert.rejects(payee.requestVoucher(retail), { code: "VOUCHER_RECEIPT_UNKNOWN" });
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
    while (isPassing) await payee.requestVoucher(retail);
    assert.ok(asked > 1);
    assert.equal((await payee.requestVoucher(retail, "final")).vouchered, 60n);
  });

  it("goes on after a restart of either side where it stood", async () => {
    const { held, issued, payee, payer, job } = await openPair();
    const works = [0n, 1n, 2n].map((seq) => workOf(job, seq, 20n * second));
    for (const work of works) {
      await payee.earned(work);
      await payer.owe(work);
    }
    await payer.passed(works[0]!);
    const returned = await startPayee(held);
    assert.equal((await returned.status())[0]!.unpaidExact, 50n * second);
    const payerAgain = await startPayer(issued, (_, offer) => returned.accept(offer));
    assert.equal((await payerAgain.settleNow(channel)).vouchered, 20n);
    await payerAgain.passed(works[1]!);
    await payerAgain.passed(works[2]!);
    assert.equal((await payerAgain.settleNow(channel)).vouchered, 60n);
    assert.equal((await returned.status())[0]!.unpaidExact, 0n);
    assert.equal(await returned.earned(works[1]!), false);
    assert.equal(toExact(60n, 6), 60n * second);
  });
});
