import assert from "node:assert/strict";
import { nextVoucher } from "../../../../node/metering/voucher-rules.ts";
import { hubChannel } from "../../../../sdk/protocol/channel.ts";
import { type Hex, zeroHash } from "../../../../sdk/protocol/hex.ts";
import type { VoucherOffer } from "../../../../sdk/protocol/job.ts";
import { voucherStructure } from "../../../../sdk/protocol/signed.ts";
import {
  clusterAccount,
  domain,
  payeeSettings,
  randomHash,
  second,
  token,
  usePayments,
} from "../../../support/payment-pair.ts";

describe("payee", () => {
  const { on, openPair, openStore, startPayee, startPayer, termsOf, workOf } = usePayments();

  it("lets a new payer begin only with 10 s paid ahead, and keeps the rest as credit", async () => {
    const payee = await startPayee(await openStore());
    const payer = await startPayer(await openStore(), (_, offer) => payee.accept(offer));
    const job = randomHash();
    await assert.rejects(payee.openJob(termsOf(job)), { code: "CREDIT_PREPAY_REQUIRED" });
    assert.equal(payee.mayWork(job), "CREDIT_EXHAUSTED");
    const cheap = await payer.prepay(on.channel, second / 2n);
    await assert.rejects(payee.openJob(termsOf(job), cheap), { code: "CREDIT_PREPAY_SHORT" });
    await payee.openJob(termsOf(job, second / 2n), cheap);
    for (let seq = 0n; seq < 8n; seq += 1n) {
      const work = workOf(job, seq);
      await payee.earned(work);
      await payer.owe(work);
      await payer.passed(work);
    }
    assert.deepEqual(await payer.settleNow(on.channel), { vouchered: 8n, seq: 2n });
    const [status] = await payee.status();
    assert.equal(status?.largestUnpaidExact, 3n * second);
    // Nobody asks a payer twice to pay ahead.
    await payee.openJob(termsOf(randomHash()));
  });

  it("refuses a reserve that does not cover the credit, an expired quote, and money for somebody else", async () => {
    const { payee, payer, job } = await openPair();
    const expired = { ...termsOf(job), validUntil: 1n };
    await assert.rejects(payee.openJob(expired), { code: "CREDIT_QUOTE_EXPIRED" });
    on.chain.set(on.channel, { reserve: 73n });
    await assert.rejects(payee.openJob(termsOf(randomHash())), { code: "CREDIT_RESERVE_SHORT" });
    const other = hubChannel(clusterAccount, on.balancer.address, token);
    await assert.rejects(payee.openJob({ ...termsOf(job), channel: other }), { code: "VOUCHER_PAYEE_WRONG" });
    const shared = { ...on.channel, cluster: 1n, clusterPpm: 10 };
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
    await on.clock.advance(60_000);
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
    await payer.settleNow(on.channel);
    assert.equal(payee.mayWork(job), "ok");
  });

  it("acknowledges the same offer twice and answers a stale or forked one with what it holds", async () => {
    const { payee, issued, payer, job } = await openPair();
    const work = workOf(job, 0n, 20n * second);
    await payer.owe(work);
    await payer.passed(work);
    await payer.settleNow(on.channel);
    const newest = (await issued.all("issued"))[0]!;
    const offer = { ...newest, kind: "usage" as const };
    const acknowledged = { acknowledged: { channel: newest.channel, cumulative: 20n, seq: 2n } };
    assert.deepEqual(await payee.accept(offer), acknowledged);
    const forked = { ...offer, voucher: { ...offer.voucher, value: { ...offer.voucher.value, cumulative: 21n } } };
    assert.deepEqual(await payee.accept(forked), { held: newest.voucher, code: "VOUCHER_FORKED" });
  });

  it("takes no voucher of a stranger, with a broken signature, or above the reserve", async () => {
    const { payer, payee, job } = await openPair();
    const value = nextVoucher(on.channel, undefined, { cumulative: 20n, receiptsRoot: zeroHash });
    const signature = await on.node.signer.sign(voucherStructure, domain, value);
    const theirs: VoucherOffer = {
      voucher: { value, signature },
      receiptsRoot: zeroHash,
      receiptHashes: [],
      kind: "prepay",
    };
    const stranger = await startPayer(await openStore(), undefined, { signer: on.node });
    await assert.rejects(stranger.prepay(on.channel, second), { code: "VOUCHER_SIGNER_WRONG" });
    const fresh = await startPayee(await openStore());
    await assert.rejects(fresh.accept(theirs), { code: "VOUCHER_SIGNER_WRONG" });
    const cut = { ...theirs, voucher: { ...theirs.voucher, signature: `0x${"00".repeat(65)}` as Hex } };
    await assert.rejects(fresh.accept(cut), { code: "VOUCHER_SIGNATURE_RECOVERY_ID" });
    on.chain.set(on.channel, { reserve: 99n });
    await on.clock.advance(payeeSettings.refreshMs);
    const work = workOf(job, 0n, 100n * second);
    await payer.owe(work);
    await payer.passed(work);
    assert.equal((await payer.settleNow(on.channel)).vouchered, 10n);
    // Collected before is no claim on the reserve.
    on.chain.set(on.channel, { collected: 10n, reserve: 90n });
    assert.equal((await payer.settleNow(on.channel)).vouchered, 100n);
    void payee;
  });

  it("stops before work is unpaid when the payer starts to thaw, and takes what thaws for work that was done", async () => {
    const { payee, payer, job } = await openPair();
    // 10 s were paid ahead: 20 s of work leave 10 s unpaid.
    const work = workOf(job, 0n, 20n * second);
    await payee.earned(work);
    await payer.owe(work);
    await payer.passed(work);
    assert.equal(payee.mayWork(job), "ok");
    // 20 s of work and 10 s more must be there.
    on.chain.set(on.channel, { reserve: 29n, thawing: 10n ** 9n });
    await on.clock.advance(payeeSettings.refreshMs);
    assert.equal(payee.mayWork(job), "CREDIT_RESERVE_SPENT");
    await assert.rejects(payee.openJob(termsOf(randomHash())), { code: "CREDIT_RESERVE_SHORT" });
    on.chain.set(on.channel, { reserve: 30n });
    await on.clock.advance(payeeSettings.refreshMs);
    assert.equal(payee.mayWork(job), "ok");
    on.chain.set(on.channel, { reserve: 0n, thawing: 20n });
    await on.clock.advance(payeeSettings.refreshMs);
    assert.equal((await payer.settleNow(on.channel)).vouchered, 20n);
    assert.equal(payee.mayWork(job), "CREDIT_RESERVE_SPENT");
    const more = workOf(job, 1n, second);
    await payer.owe(more);
    await payer.passed(more);
    assert.equal((await payer.settleNow(on.channel)).vouchered, 20n);
  });
});
