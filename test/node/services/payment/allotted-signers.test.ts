import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createNodeKey, type NodeKey } from "../../../../node/kernel/keys.ts";
import { nextVoucher } from "../../../../node/metering/voucher-rules.ts";
import type { PayeeService } from "../../../../node/services/payment/payee-service.ts";
import type { PayerService } from "../../../../node/services/payment/payer-service.ts";
import { type Channel, hubChannel } from "../../../../sdk/protocol/channel.ts";
import { zeroHash } from "../../../../sdk/protocol/hex.ts";
import { voucherStructure } from "../../../../sdk/protocol/signed.ts";
import { clusterAccount, domain, randomHash, second, token, usePayments } from "../../../support/payment-pair.ts";

describe("vouchers of an allotted key", () => {
  const { on, openStore, startPayee, startPayer, termsOf, workOf } = usePayments();
  let cold: NodeKey;
  let hot: NodeKey;
  let retail: Channel;
  let agent: PayerService;
  let payee: PayeeService;
  let nowSeconds: bigint;

  beforeEach(async () => {
    cold = createNodeKey(randomBytes(32));
    hot = createNodeKey(randomBytes(32));
    retail = hubChannel(cold.address, clusterAccount, token);
    nowSeconds = BigInt(Math.floor(on.clock.nowMs() / 1_000));
    allot(100n);
    agent = await startPayer(await openStore(), undefined, { signer: hot });
    await agent.openChannel(retail);
    payee = await startPayee(await openStore(), clusterAccount, (_, request) => agent.answerRequest(request));
  });

  const allot = (cap: bigint, validForSeconds = 86_400n) =>
    on.chain.allot(retail, hot.address, { cap, validUntil: nowSeconds + validForSeconds });
  const earn = async (job: `0x${string}`, seq: bigint, seconds: bigint) => {
    const work = workOf(job, seq, seconds * second, retail);
    await payee.earned(work);
    await agent.owe(work);
    await payee.passed(work);
  };
  const retailTerms = (job: `0x${string}`, exactPerSecond = second) => ({
    ...termsOf(job, exactPerSecond),
    channel: retail,
  });
  /** As the key itself signs when nobody holds it back. */
  const offerOf = async (signer: NodeKey, cumulative: bigint) => {
    const value = nextVoucher(retail, undefined, { cumulative, receiptsRoot: zeroHash });
    const signature = await signer.signer.sign(voucherStructure, domain, value);
    return { voucher: { value, signature }, receiptsRoot: zeroHash, receiptHashes: [], kind: "prepay" as const };
  };

  it("count like the payer's own, up to the cap", async () => {
    assert.deepEqual(await payee.requestPrepay(retail, second), { vouchered: 10n, seq: 1n });
    await earn(randomHash(), 0n, 100n);
    assert.deepEqual(await payee.requestVoucher(retail), { vouchered: 100n, seq: 2n });
    const [status] = await payee.status();
    assert.equal(status?.reserve, 100n);
    await earn(randomHash(), 0n, 1n);
    await assert.rejects(payee.requestVoucher(retail), { code: "VOUCHER_SIGNER_CAP" });
    allot(101n);
    assert.deepEqual(await payee.requestVoucher(retail), { vouchered: 101n, seq: 3n });
  });

  it("are refused by the payee above the cap, after the end, after a revocation, and of a key that nobody allotted", async () => {
    await assert.rejects(payee.accept(await offerOf(hot, 101n)), {
      detail: { code: "VOUCHER_SIGNER_CAP", signer: hot.address, cap: 100n, cumulative: 101n },
    });
    const stranger = createNodeKey(randomBytes(32));
    await assert.rejects(payee.accept(await offerOf(stranger, 1n)), { code: "VOUCHER_SIGNER_WRONG" });
    const early = await offerOf(hot, 20n);
    await on.clock.advance(86_399_000);
    assert.ok("acknowledged" in (await payee.accept(early)));
    await on.clock.advance(1_000);
    const late = nextVoucher(retail, early.voucher.value, { cumulative: 30n, receiptsRoot: zeroHash });
    const offer = {
      ...early,
      voucher: { value: late, signature: await hot.signer.sign(voucherStructure, domain, late) },
    };
    await assert.rejects(payee.accept(offer), { code: "VOUCHER_SIGNER_EXPIRED" });
    // The same again is no new promise.
    assert.ok("acknowledged" in (await payee.accept(early)));
    const other = await startPayee(await openStore(), clusterAccount);
    nowSeconds = BigInt(Math.floor(on.clock.nowMs() / 1_000));
    allot(100n, 0n);
    await assert.rejects(other.accept(early), { code: "VOUCHER_SIGNER_EXPIRED" });
    on.chain.allot(retail, hot.address, undefined);
    await assert.rejects(other.accept(early), { code: "VOUCHER_SIGNER_WRONG" });
    on.chain.allot(hubChannel(cold.address, on.node.address, token), hot.address, {
      cap: 100n,
      validUntil: nowSeconds + 9n,
    });
    await assert.rejects(other.accept(early), { code: "VOUCHER_SIGNER_WRONG" });
  });

  it("promise the smaller of reserve and cap: a job that would need more is not begun", async () => {
    await payee.requestPrepay(retail, second);
    // The least credit is 64 s, and 10 are vouchered.
    allot(73n);
    await assert.rejects(payee.openJob(retailTerms(randomHash())), { code: "CREDIT_RESERVE_SHORT" });
    allot(74n);
    await payee.openJob(retailTerms(randomHash()));
    on.chain.set(retail, { reserve: 73n });
    await assert.rejects(payee.openJob(retailTerms(randomHash(), 1n)), { code: "CREDIT_RESERVE_SHORT" });
  });

  it("stop the work before it could not be paid, with a code that says why, and let it go on when more is allotted", async () => {
    await payee.requestPrepay(retail, second);
    const job = randomHash();
    await payee.openJob(retailTerms(job));
    let seq = 0n;
    while (payee.mayWork(job) === "ok") {
      await earn(job, seq, 4n);
      await payee.requestVoucher(retail);
      seq += 1n;
    }
    assert.equal(payee.mayWork(job), "CREDIT_SIGNER_SPENT");
    const [status] = await payee.status();
    assert.ok(status!.vouchered <= 100n && status!.vouchered > 86n, String(status!.vouchered));
    // What is under way when the work stops is still paid in full.
    await earn(job, seq, 4n);
    const { vouchered } = await payee.requestVoucher(retail);
    assert.equal((await payee.status())[0]!.unpaidExact, 0n);
    assert.ok(vouchered <= 100n);
    allot(200n);
    await on.clock.advance(5_000);
    assert.equal(payee.mayWork(job), "ok");
    on.chain.set(retail, { reserve: 100n });
    await on.clock.advance(5_000);
    assert.equal(payee.mayWork(job), "CREDIT_RESERVE_SPENT");
  });

  it("are what a restarted payee goes by", async () => {
    const store = await openStore();
    const first = await startPayee(store, clusterAccount);
    await first.accept(await offerOf(hot, 20n));
    const again = await startPayee(store, clusterAccount);
    assert.equal((await again.status())[0]!.reserve, 100n);
    await again.accept(
      await (async () => {
        const held = await offerOf(hot, 20n);
        const value = nextVoucher(retail, held.voucher.value, { cumulative: 20n, receiptsRoot: zeroHash });
        return { ...held, voucher: { value, signature: await cold.signer.sign(voucherStructure, domain, value) } };
      })(),
    );
    // The payer signs itself again: all of the reserve is promised.
    assert.equal((await again.status())[0]!.reserve, 10n ** 9n);
  });

  it("let an agent that lost its store go on from them", async () => {
    await payee.requestPrepay(retail, second);
    await earn(randomHash(), 0n, 20n);
    await payee.requestVoucher(retail);
    agent = await startPayer(await openStore(), undefined, { signer: hot });
    await agent.openChannel(retail);
    await earn(randomHash(), 0n, 5n);
    assert.deepEqual(await payee.requestVoucher(retail), { vouchered: 25n, seq: 3n });
  });
});
