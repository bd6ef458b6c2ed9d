import assert from "node:assert/strict";
import { ChainError } from "@leat/node/chain/errors.ts";
import type { ChainSender } from "@leat/node/chain/sender.ts";
import { splitSignature } from "@leat/node/chain/token-authorizations.ts";
import { type TransferAuthorization, transferAuthorizationStructure } from "@leat/sdk/protocol/eip3009.ts";
import { zeroHash } from "@leat/sdk/protocol/hex.ts";
import { typedFields } from "@leat/sdk/protocol/typed-data.ts";
import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import { PREPAY, useExact } from "../../../support/exact-scene.ts";
import { openRpcProxy } from "../../../support/rpc-proxy.ts";
import { accountOf, payingFetch, standStill, usdcOf } from "../../../support/x402-scene.ts";

describe("x402, exact scheme, submission", function () {
  this.timeout(120_000);
  const scene = useExact();
  const { on, codeOf, size, balanceOf, sign, send } = scene;

  it("counts one payment once, whoever shows it again", async () => {
    const payload = await sign();
    const [first, second] = await Promise.all([send(payload), send(payload)]);
    const again = await send(payload);
    assert.deepEqual([first.status, second.status].toSorted(), [200, 402]);
    assert.equal(again.status, 402);
    assert.equal(await codeOf(again), "X402_NONCE_USED");
    const required = decodePaymentRequiredHeader(again.headers.get("payment-required")!);
    assert.equal(required.error, "invalid_exact_evm_nonce_already_used");
    assert.equal(await scene.node.prepaid.balance(scene.viewer.address), PREPAY - size(0));
  });

  it("counts a payment that somebody else submitted first", async () => {
    await scene.node.stop();
    const stranger = await on.market.sender(await on.market.anvil.key(77));
    let overtaken = 0;
    const overtake = (real: ChainSender): Pick<ChainSender, "send"> => ({
      async send(call, signal) {
        await stranger.send(call, signal);
        overtaken += 1;
        return real.send(call, signal);
      },
    });
    scene.node = await on.start({ sender: overtake });
    const answer = await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"));
    assert.equal(answer.status, 200);
    assert.equal(overtaken, 1);
    assert.equal(await scene.node.prepaid.balance(scene.viewer.address), PREPAY - size(0));
  });

  it("does not count a nonce that its payer used for something else", async () => {
    await scene.node.stop();
    const stranger = await on.market.sender(await on.market.anvil.key(78));
    const diverted = (await on.market.anvil.key(79)).address;
    const divert = (real: ChainSender): Pick<ChainSender, "send"> => ({
      async send(call, signal) {
        const other = { ...call, args: await divertedArgs(call.args as unknown[]) };
        await stranger.send(other as unknown as typeof call, signal);
        return real.send(call, signal);
      },
    });
    const divertedArgs = async ([from, , value, validAfter, validBefore, nonce]: unknown[]) => {
      const { chainId, tokens } = on.market.anvil.deployment;
      const message = { from, to: diverted, value, validAfter, validBefore, nonce } as TransferAuthorization;
      const signature = await accountOf(scene.viewer).signTypedData({
        domain: { name: "USD Coin", version: "1", chainId, verifyingContract: tokens.USDC },
        types: { TransferWithAuthorization: typedFields(transferAuthorizationStructure) },
        primaryType: "TransferWithAuthorization",
        message,
      });
      const { v, r, s } = splitSignature(signature);
      return [from, diverted, value, validAfter, validBefore, nonce, v, r, s];
    };
    scene.node = await on.start({ sender: divert });
    const answer = await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"));
    assert.equal(await codeOf(answer), "X402_NONCE_USED");
    assert.equal(await usdcOf(on.market, diverted), PREPAY);
    assert.equal(await scene.node.prepaid.balance(scene.viewer.address), 0n);
  });

  it("finds a payment after it was killed between submitting and counting it", async () => {
    await scene.node.stop();
    const { promise: submitted, resolve } = Promise.withResolvers<void>();
    const cut = (real: ChainSender): Pick<ChainSender, "send"> => ({
      async send(call, signal) {
        await real.send(call, signal);
        resolve();
        return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
      },
    });
    scene.node = await on.start({ sender: cut });
    const answer = payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"));
    const lost = assert.rejects(answer, { message: "fetch failed" });
    await submitted;
    await on.market.anvil.mine(3);
    await scene.node.stop();
    await lost;
    scene.node = await on.startAndLook();
    assert.equal(await scene.node.prepaid.balance(scene.viewer.address), PREPAY);
    const before = await usdcOf(on.market, scene.viewer.address);
    const again = await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"));
    assert.equal(again.status, 200);
    assert.equal(await usdcOf(on.market, scene.viewer.address), before);
    assert.equal(balanceOf(again), PREPAY - size(0));
  });

  it("makes no second payment while the first may still be on its way", async () => {
    await scene.node.stop();
    const nonces: unknown[] = [];
    const lose = (): Pick<ChainSender, "send"> => ({
      async send(call) {
        nonces.push((call.args as unknown[])[5]);
        throw new ChainError({ code: "CHAIN_NOT_CONFIRMED", transaction: `0x${"ab".repeat(32)}` });
      },
    });
    scene.node = await on.start({ sender: lose });
    for (const _ of [1, 2]) {
      const answer = await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"));
      assert.equal(answer.status, 503);
      assert.equal(await codeOf(answer), "X402_PAYMENT_PENDING");
      assert.equal(answer.headers.get("retry-after"), "5");
    }
    assert.equal(nonces.length, 2);
    assert.equal(new Set(nonces).size, 1, "the first is submitted again");
  });

  it("submits after a restart what was written down and not submitted", async () => {
    await scene.node.stop();
    scene.node = await on.start({ sender: standStill, settings: { settleWaitMs: 1_000 } });
    const late = await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"));
    assert.equal(await codeOf(late), "X402_PAYMENT_PENDING");
    await scene.node.stop();
    scene.node = await on.start({ settings: { lookEveryMs: 50 } });
    await on.until(async () => (await scene.node.prepaid.balance(scene.viewer.address)) === PREPAY);
    assert.equal(await usdcOf(on.market, scene.viewer.address), 4n * PREPAY);
  });

  it("submits what waited too long to be sent when its payer asks again", async () => {
    await scene.node.stop();
    let sent = 0;
    const delay = (real: ChainSender): Pick<ChainSender, "send"> => ({
      send(call, signal, budget) {
        sent += 1;
        return sent === 1 ? standStill().send(call, signal) : real.send(call, signal, budget);
      },
    });
    scene.node = await on.start({ sender: delay, settings: { settleWaitMs: 3_000 } });
    const late = await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"));
    assert.equal(await codeOf(late), "X402_PAYMENT_PENDING");
    const again = await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"));
    assert.equal(again.status, 200);
    assert.equal(balanceOf(again), PREPAY - size(0));
    assert.equal(await usdcOf(on.market, scene.viewer.address), 4n * PREPAY);
  });

  it("answers a client before a chain that stands still, and takes nothing when it cannot write", async () => {
    await scene.node.stop();
    scene.node = await on.start({ sender: standStill, settings: { settleWaitMs: 1_000 } });
    const late = await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"));
    assert.equal(await codeOf(late), "X402_PAYMENT_PENDING");
    const payload = await sign(await on.newViewer(PREPAY));
    await on.database.close();
    const unwritten = await send(payload);
    assert.equal(unwritten.status, 503);
    assert.equal(await codeOf(unwritten), "X402_STORE_UNAVAILABLE");
  });

  it("lets a payer pay again what was never sent, for whatever reason", async () => {
    const reasons: [detail: ChainError["detail"], code: string, status: number][] = [
      [{ code: "CHAIN_REVERTED", method: "", reason: "paused" }, "X402_SETTLEMENT_REFUSED", 402],
      [{ code: "CHAIN_GAS_MISSING", address: scene.viewer.address }, "X402_SETTLEMENT_UNAVAILABLE", 503],
      [{ code: "CHAIN_GAS_BUDGET", budget: 0n, committed: 0n, needed: 1n }, "X402_SETTLEMENT_UNAVAILABLE", 503],
      [{ code: "CHAIN_FEES_HIGH", baseFee: 1n, ceiling: 0n }, "X402_SETTLEMENT_UNAVAILABLE", 503],
      [{ code: "CHAIN_UNREACHABLE", method: "", reason: "" }, "X402_CHAIN_UNAVAILABLE", 503],
    ];
    await scene.node.stop();
    let next = 0;
    const refuse = (real: ChainSender): Pick<ChainSender, "send"> => ({
      async send(call, signal) {
        const reason = reasons[next]?.[0];
        next += 1;
        if (reason === undefined) return real.send(call, signal);
        throw new ChainError(reason);
      },
    });
    scene.node = await on.start({ sender: refuse });
    for (const [, code, status] of reasons) {
      const answer = await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"));
      assert.equal(await codeOf(answer), code);
      assert.equal(answer.status, status);
    }
    assert.equal((await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"))).status, 200);
  });

  it("counts what somebody else submits after this node could not", async () => {
    await scene.node.stop();
    const calls: Parameters<ChainSender["send"]>[0][] = [];
    const refuse = (): Pick<ChainSender, "send"> => ({
      async send(call) {
        calls.push(call as never);
        throw new ChainError({ code: "CHAIN_DISPLACED", transaction: zeroHash });
      },
    });
    scene.node = await on.start({ sender: refuse, settings: { lookEveryMs: 50 } });
    await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"));
    const stranger = await on.market.sender(await on.market.anvil.key(80));
    await stranger.send(calls[0]!);
    await on.until(async () => (await scene.node.prepaid.balance(scene.viewer.address)) === PREPAY);
  });

  it("starts and serves while the chain does not say what became of payments", async () => {
    await scene.node.stop();
    scene.node = await on.start({ sender: standStill, settings: { settleWaitMs: 1_000 } });
    assert.equal(await codeOf(await send(await sign())), "X402_PAYMENT_PENDING");
    await scene.node.stop();
    const proxy = await openRpcProxy(on.market.anvil.rpcUrl);
    const silence = proxy.fault("eth_getLogs", { kind: "stall" });
    try {
      scene.node = await on.start({ rpcUrl: proxy.url, callTimeoutMs: 600_000 });
      await silence.whenHit();
      assert.equal((await fetch(scene.node.url("master.m3u8"))).status, 402);
    } finally {
      await proxy.close();
      await scene.node.stop();
    }
  });

  it("takes nothing while the chain is away", async () => {
    const payload = await sign();
    const other = await on.startBehindProxy();
    await other.cut();
    const headers = { "payment-signature": encodePaymentSignatureHeader(payload) };
    const answer = await fetch(other.node.url("240p/0.m4s"), { headers });
    assert.equal(answer.status, 503);
    assert.equal(await codeOf(answer), "X402_CHAIN_UNAVAILABLE");
    await other.mend();
    const again = await fetch(other.node.url("240p/0.m4s"), { headers });
    assert.equal(again.status, 200, "the very same payment is good once the chain is back");
  });
});
