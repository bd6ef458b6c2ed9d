import assert from "node:assert/strict";
import { ChainError } from "@leat/node/chain/errors.ts";
import type { ChainSender } from "@leat/node/chain/sender.ts";
import { splitSignature } from "@leat/node/chain/token-authorizations.ts";
import { systemClock } from "@leat/node/kernel/clock.ts";
import type { NodeKey } from "@leat/node/kernel/keys.ts";
import { PrepaidStore } from "@leat/node/store/prepaid.ts";
import { type TransferAuthorization, transferAuthorizationStructure } from "@leat/sdk/protocol/eip3009.ts";
import { zeroHash } from "@leat/sdk/protocol/hex.ts";
import { typedFields } from "@leat/sdk/protocol/typed-data.ts";
import { BALANCE_HEADER, PREPAID_EXTENSION, type PrepaidInfo } from "@leat/sdk/protocol/x402.ts";
import {
  decodePaymentRequiredHeader,
  decodePaymentResponseHeader,
  encodePaymentSignatureHeader,
} from "@x402/core/http";
import type { PaymentPayload } from "@x402/core/types";
import { openRpcProxy } from "../../../support/rpc-proxy.ts";
import { LARGE_BYTES, useX402 } from "../../../support/use-x402.ts";
import {
  accountOf,
  payingFetch,
  publicClientOf,
  standStill,
  usdcOf,
  type X402Node,
} from "../../../support/x402-scene.ts";

const PREPAY = 1_000_000n;

describe("x402, exact scheme", function () {
  this.timeout(120_000);
  const on = useX402();
  let viewer: NodeKey;
  let node: X402Node;

  beforeEach(async () => {
    viewer = await on.newViewer(5n * PREPAY);
    node = await on.start();
  });

  const infoOf = (answer: Response): PrepaidInfo => {
    const { extensions } = decodePaymentResponseHeader(answer.headers.get("payment-response")!);
    return (extensions as Record<string, { info: PrepaidInfo }>)[PREPAID_EXTENSION]!.info;
  };
  const codeOf = async (answer: Response) => ((await answer.json()) as { error: { code: string } }).error.code;
  const records = () => new PrepaidStore(on.database, on.market.anvil.deployment.tokens.USDC).payments();
  const size = (sequence: number) => BigInt(on.stream.bytes(1, sequence)!.length);
  const balanceOf = (answer: Response) => BigInt(answer.headers.get(BALANCE_HEADER)!);
  /** A payment as the public client makes it, not sent yet. */
  const sign = async (key = viewer, path = "240p/0.m4s"): Promise<PaymentPayload> => {
    const asked = await fetch(node.url(path));
    const required = decodePaymentRequiredHeader(asked.headers.get("payment-required")!);
    return publicClientOf(on.market, key).createPaymentPayload(required);
  };
  const send = (payload: unknown, path = "240p/0.m4s") =>
    fetch(node.url(path), {
      headers: { "payment-signature": encodePaymentSignatureHeader(payload as PaymentPayload) },
    });

  it("is paid by the public client, which gets the media and a balance for its payment", async () => {
    const before = await usdcOf(on.market, on.market.node.address);
    const answer = await payingFetch(on.market, viewer)(node.url("240p/0.m4s"));
    assert.equal(answer.status, 200);
    assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), Uint8Array.from(on.stream.bytes(1, 0)!));
    const settled = decodePaymentResponseHeader(answer.headers.get("payment-response")!);
    assert.equal(settled.success, true);
    assert.equal(settled.payer, viewer.address);
    assert.equal(settled.amount, "1000000");
    assert.match(settled.transaction, /^0x[0-9a-f]{64}$/);
    assert.equal((await usdcOf(on.market, on.market.node.address)) - before, PREPAY);
    assert.equal(balanceOf(answer), PREPAY - size(0));
    assert.equal(await node.prepaid.balance(viewer.address), PREPAY - size(0));
    assert.equal(answer.headers.get("cache-control"), "private, no-store");
    assert.deepEqual(on.stream.counted, [], "the stream's buyer pays for no byte that its viewer paid");
  });

  it("asks for payment in the v2 format, and for none where the stream's buyer has a budget", async () => {
    const asked = await fetch(node.url("master.m3u8"));
    assert.equal(asked.status, 402);
    assert.equal(await codeOf(asked), "X402_PAYMENT_REQUIRED");
    const required = decodePaymentRequiredHeader(asked.headers.get("payment-required")!);
    const { deployment } = on.market.anvil;
    assert.equal(required.x402Version, 2);
    assert.equal(required.resource.url, "http://node.example/live/slug/master.m3u8");
    const { extra, ...exact } = required.accepts[0]!;
    assert.deepEqual(exact, {
      scheme: "exact",
      network: "eip155:31337",
      asset: deployment.tokens.USDC,
      payTo: on.market.node.address,
      amount: "1000000",
      maxTimeoutSeconds: 300,
    });
    assert.deepEqual(extra, { name: "USD Coin", version: "1" });
    on.stream.isUnbudgeted = false;
    const free = await fetch(node.url("240p/0.m4s"));
    assert.equal(free.status, 200);
    await free.arrayBuffer();
    assert.equal(on.stream.counted.length > 0, true);
  });

  it("lets a page of another origin send a payment and read what was settled", async () => {
    const asked = await fetch(node.url("240p/0.m4s"), { method: "OPTIONS" });
    const allowed = asked.headers.get("access-control-allow-headers")!.toLowerCase().split(", ");
    for (const name of ["authorization", "payment-signature", "access-control-expose-headers", "range"]) {
      assert.ok(allowed.includes(name), name);
    }
    const exposed = asked.headers.get("access-control-expose-headers")!.toLowerCase().split(", ");
    for (const name of ["payment-required", "payment-response", BALANCE_HEADER])
      assert.ok(exposed.includes(name), name);
  });

  it("spends the balance by its token, byte by byte, and asks again when it is over", async () => {
    const paid = await payingFetch(on.market, viewer)(node.url("master.m3u8"));
    const { token, balance } = infoOf(paid);
    assert.equal(balance, "1000000");
    const headers = { authorization: `Bearer ${token}` };
    let left = PREPAY;
    for (let sequence = 0; left >= size(sequence % 3); sequence += 1) {
      const answer = await fetch(node.url(`240p/${sequence % 3}.m4s`), { headers });
      assert.equal(answer.status, 200);
      await answer.arrayBuffer();
      left -= size(sequence % 3);
      assert.equal(balanceOf(answer), left);
    }
    const playlist = await fetch(node.url("240p/index.m3u8"), { headers });
    assert.equal(playlist.status, 200, "a playlist costs nothing");
    const short = await fetch(node.url("240p/0.m4s"), { headers });
    const next = left < size(0) ? short : await fetch(node.url("240p/1.m4s"), { headers });
    assert.equal(next.status, 402);
    assert.equal(await codeOf(next), "X402_BALANCE_SHORT");
    const again = await payingFetch(on.market, viewer)(node.url("240p/0.m4s"), { headers });
    assert.equal(again.status, 200);
    assert.equal(balanceOf(again), left + PREPAY - size(0));
  });

  it("takes nothing more from a client that only repeats, as long as its balance lasts", async () => {
    const before = await usdcOf(on.market, viewer.address);
    const pay = payingFetch(on.market, viewer);
    await (await pay(node.url("240p/0.m4s"))).arrayBuffer();
    const second = await pay(node.url("240p/1.m4s"));
    assert.equal(second.status, 200);
    const { transaction, amount } = decodePaymentResponseHeader(second.headers.get("payment-response")!);
    assert.deepEqual([transaction, amount], ["", "0"]);
    assert.equal(before - (await usdcOf(on.market, viewer.address)), PREPAY);
    assert.equal(balanceOf(second), PREPAY - size(0) - size(1));
  });

  it("serves no more than was paid to many requests at once", async () => {
    const { token } = infoOf(await payingFetch(on.market, viewer)(node.url("master.m3u8")));
    const headers = { authorization: `Bearer ${token}` };
    const fits = Number(PREPAY / size(0));
    const answers = await Promise.all(
      Array.from({ length: fits + 10 }, () => fetch(node.url("240p/0.m4s"), { headers })),
    );
    const bodies = await Promise.all(answers.filter(({ ok }) => ok).map((answer) => answer.arrayBuffer()));
    assert.equal(bodies.length, fits);
    assert.deepEqual(new Set(answers.filter(({ ok }) => !ok).map(({ status }) => status)), new Set([402]));
    assert.equal(await node.prepaid.balance(viewer.address), PREPAY - BigInt(fits) * size(0));
  });

  it("pays once for requests that pay at once", async () => {
    const before = await usdcOf(on.market, viewer.address);
    const pay = payingFetch(on.market, viewer);
    const answers = await Promise.all([0, 1, 2].map((sequence) => pay(node.url(`240p/${sequence}.m4s`))));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200],
    );
    assert.equal(before - (await usdcOf(on.market, viewer.address)), PREPAY);
  });

  it("counts one payment once, whoever shows it again", async () => {
    const payload = await sign();
    const [first, second] = await Promise.all([send(payload), send(payload)]);
    const again = await send(payload);
    assert.deepEqual([first.status, second.status].toSorted(), [200, 402]);
    assert.equal(again.status, 402);
    assert.equal(await codeOf(again), "X402_NONCE_USED");
    const required = decodePaymentRequiredHeader(again.headers.get("payment-required")!);
    assert.equal(required.error, "invalid_exact_evm_nonce_already_used");
    assert.equal(await node.prepaid.balance(viewer.address), PREPAY - size(0));
  });

  it("counts a payment that somebody else submitted first", async () => {
    await node.stop();
    const stranger = await on.market.sender(await on.market.anvil.key(77));
    let overtaken = 0;
    const overtake = (real: ChainSender): Pick<ChainSender, "send"> => ({
      async send(call, signal) {
        await stranger.send(call, signal);
        overtaken += 1;
        return real.send(call, signal);
      },
    });
    node = await on.start({ sender: overtake });
    const answer = await payingFetch(on.market, viewer)(node.url("240p/0.m4s"));
    assert.equal(answer.status, 200);
    assert.equal(overtaken, 1);
    assert.equal(await node.prepaid.balance(viewer.address), PREPAY - size(0));
  });

  it("does not count a nonce that its payer used for something else", async () => {
    await node.stop();
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
      const signature = await accountOf(viewer).signTypedData({
        domain: { name: "USD Coin", version: "1", chainId, verifyingContract: tokens.USDC },
        types: { TransferWithAuthorization: typedFields(transferAuthorizationStructure) },
        primaryType: "TransferWithAuthorization",
        message,
      });
      const { v, r, s } = splitSignature(signature);
      return [from, diverted, value, validAfter, validBefore, nonce, v, r, s];
    };
    node = await on.start({ sender: divert });
    const answer = await payingFetch(on.market, viewer)(node.url("240p/0.m4s"));
    assert.equal(await codeOf(answer), "X402_NONCE_USED");
    assert.equal(await usdcOf(on.market, diverted), PREPAY);
    assert.equal(await node.prepaid.balance(viewer.address), 0n);
  });

  it("finds a payment after it was killed between submitting and counting it", async () => {
    await node.stop();
    const { promise: submitted, resolve } = Promise.withResolvers<void>();
    const cut = (real: ChainSender): Pick<ChainSender, "send"> => ({
      async send(call, signal) {
        await real.send(call, signal);
        resolve();
        return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
      },
    });
    node = await on.start({ sender: cut });
    const answer = payingFetch(on.market, viewer)(node.url("240p/0.m4s"));
    const lost = assert.rejects(answer, { message: "fetch failed" });
    await submitted;
    await on.market.anvil.mine(3);
    await node.stop();
    await lost;
    node = await on.start();
    assert.equal(await node.prepaid.balance(viewer.address), PREPAY);
    const before = await usdcOf(on.market, viewer.address);
    const again = await payingFetch(on.market, viewer)(node.url("240p/0.m4s"));
    assert.equal(again.status, 200);
    assert.equal(await usdcOf(on.market, viewer.address), before);
    assert.equal(balanceOf(again), PREPAY - size(0));
  });

  it("makes no second payment while the first may still be on its way", async () => {
    await node.stop();
    const nonces: unknown[] = [];
    const lose = (): Pick<ChainSender, "send"> => ({
      async send(call) {
        nonces.push((call.args as unknown[])[5]);
        throw new ChainError({ code: "CHAIN_NOT_CONFIRMED", transaction: `0x${"ab".repeat(32)}` });
      },
    });
    node = await on.start({ sender: lose });
    for (const _ of [1, 2]) {
      const answer = await payingFetch(on.market, viewer)(node.url("240p/0.m4s"));
      assert.equal(answer.status, 503);
      assert.equal(await codeOf(answer), "X402_PAYMENT_PENDING");
      assert.equal(answer.headers.get("retry-after"), "5");
    }
    assert.equal(nonces.length, 2);
    assert.equal(new Set(nonces).size, 1, "the first is submitted again");
  });

  it("submits after a restart what was written down and not submitted", async () => {
    await node.stop();
    node = await on.start({ sender: standStill, settings: { settleWaitMs: 1_000 } });
    const late = await payingFetch(on.market, viewer)(node.url("240p/0.m4s"));
    assert.equal(await codeOf(late), "X402_PAYMENT_PENDING");
    await node.stop();
    node = await on.start({ settings: { lookEveryMs: 50 } });
    await on.until(async () => (await node.prepaid.balance(viewer.address)) === PREPAY);
    assert.equal(await usdcOf(on.market, viewer.address), 4n * PREPAY);
  });

  it("submits what waited too long to be sent when its payer asks again", async () => {
    await node.stop();
    let sent = 0;
    const delay = (real: ChainSender): Pick<ChainSender, "send"> => ({
      send(call, signal, budget) {
        sent += 1;
        return sent === 1 ? standStill().send(call, signal) : real.send(call, signal, budget);
      },
    });
    node = await on.start({ sender: delay, settings: { settleWaitMs: 3_000 } });
    const late = await payingFetch(on.market, viewer)(node.url("240p/0.m4s"));
    assert.equal(await codeOf(late), "X402_PAYMENT_PENDING");
    const again = await payingFetch(on.market, viewer)(node.url("240p/0.m4s"));
    assert.equal(again.status, 200);
    assert.equal(balanceOf(again), PREPAY - size(0));
    assert.equal(await usdcOf(on.market, viewer.address), 4n * PREPAY);
  });

  it("answers a client before a chain that stands still, and takes nothing when it cannot write", async () => {
    await node.stop();
    node = await on.start({ sender: standStill, settings: { settleWaitMs: 1_000 } });
    const late = await payingFetch(on.market, viewer)(node.url("240p/0.m4s"));
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
      [{ code: "CHAIN_GAS_MISSING", address: viewer.address }, "X402_SETTLEMENT_UNAVAILABLE", 503],
      [{ code: "CHAIN_GAS_BUDGET", budget: 0n, committed: 0n, needed: 1n }, "X402_SETTLEMENT_UNAVAILABLE", 503],
      [{ code: "CHAIN_FEES_HIGH", baseFee: 1n, ceiling: 0n }, "X402_SETTLEMENT_UNAVAILABLE", 503],
      [{ code: "CHAIN_UNREACHABLE", method: "", reason: "" }, "X402_CHAIN_UNAVAILABLE", 503],
    ];
    await node.stop();
    let next = 0;
    const refuse = (real: ChainSender): Pick<ChainSender, "send"> => ({
      async send(call, signal) {
        const reason = reasons[next]?.[0];
        next += 1;
        if (reason === undefined) return real.send(call, signal);
        throw new ChainError(reason);
      },
    });
    node = await on.start({ sender: refuse });
    for (const [, code, status] of reasons) {
      const answer = await payingFetch(on.market, viewer)(node.url("240p/0.m4s"));
      assert.equal(await codeOf(answer), code);
      assert.equal(answer.status, status);
    }
    assert.equal((await payingFetch(on.market, viewer)(node.url("240p/0.m4s"))).status, 200);
  });

  it("submits what is worth its gas, from gas that is set apart", async () => {
    const sent: string[] = [];
    const count = (real: ChainSender): Pick<ChainSender, "send"> => ({
      async send(call, ...rest) {
        sent.push(call.functionName);
        return real.send(call, ...rest);
      },
    });
    await node.stop();
    node = await on.start({ sender: count, perNative: 10n ** 15n });
    const dear = await payingFetch(on.market, viewer)(node.url("240p/0.m4s"));
    assert.equal(dear.status, 503);
    assert.equal(await codeOf(dear), "X402_SETTLEMENT_UNAVAILABLE");
    assert.deepEqual(sent, []);
    await node.stop();
    node = await on.start({ sender: count, settings: { dailyGasEther: "0.000000000000000001" } });
    const over = await payingFetch(on.market, viewer)(node.url("240p/0.m4s"));
    assert.equal(await codeOf(over), "X402_SETTLEMENT_UNAVAILABLE");
    assert.deepEqual(sent, []);
    assert.deepEqual(await records(), [], "what was not begun leaves no trace");
    assert.equal(await usdcOf(on.market, viewer.address), 5n * PREPAY);
  });

  it("asks the chain nothing of strangers while there is no gas to send their payments with", async () => {
    await node.stop();
    const proxy = await openRpcProxy(on.market.anvil.rpcUrl);
    try {
      const now = Date.now();
      let later = 0;
      const clock = { ...systemClock, nowMs: () => now + later };
      const settings = { dailyGasEther: "0.000000000000000001" };
      node = await on.start({ settings, rpcUrl: proxy.url, clock });
      const ask = async () => codeOf(await payingFetch(on.market, viewer)(node.url("240p/0.m4s")));
      assert.equal(await ask(), "X402_SETTLEMENT_UNAVAILABLE");
      const asked = proxy.calls.length;
      assert.equal(await ask(), "X402_SETTLEMENT_UNAVAILABLE");
      assert.equal(proxy.calls.length, asked);
      later = 5_000;
      assert.equal(await ask(), "X402_SETTLEMENT_UNAVAILABLE");
      assert.ok(proxy.calls.length > asked);
    } finally {
      await node.stop();
      await proxy.close();
    }
  });

  it("remembers nothing of a payment that was never sent, and takes the same again", async () => {
    await node.stop();
    let isDear = true;
    node = await on.start({
      sender: (real) => ({
        async send(call, ...rest) {
          if (isDear) throw new ChainError({ code: "CHAIN_GAS_BUDGET", budget: 0n, committed: 0n, needed: 1n });
          return real.send(call, ...rest);
        },
      }),
    });
    const payload = await sign();
    assert.equal(await codeOf(await send(payload)), "X402_SETTLEMENT_UNAVAILABLE");
    assert.deepEqual(await records(), []);
    isDear = false;
    assert.equal((await send(payload)).status, 200);
  });

  it("watches no more than four refused payments of a payer, and all of them with one query", async () => {
    await node.stop();
    const failed = { code: "CHAIN_REVERTED", method: "", reason: "in its block", transaction: zeroHash } as const;
    const fail = (): Pick<ChainSender, "send"> => ({
      async send() {
        throw new ChainError(failed);
      },
    });
    node = await on.start({ sender: fail });
    const codes: string[] = [];
    for (let payment = 0; payment < 5; payment += 1) codes.push(await codeOf(await send(await sign())));
    assert.deepEqual(codes, [...Array(4).fill("X402_SETTLEMENT_REFUSED"), "X402_TOO_MANY_REFUSED"]);
    await send(await sign(await on.newViewer(PREPAY)));
    assert.equal((await records()).length, 5);
    await node.stop();
    const proxy = await openRpcProxy(on.market.anvil.rpcUrl);
    try {
      node = await on.start({ sender: fail, rpcUrl: proxy.url });
      assert.equal(proxy.count("eth_getLogs"), 1);
    } finally {
      await node.stop();
      await proxy.close();
    }
  });

  it("looks at no more strangers' accounts in a second than it can spare calls for", async () => {
    await node.stop();
    const now = Date.now();
    node = await on.start({ clock: { ...systemClock, nowMs: () => now } });
    const codes: string[] = [];
    for (let stranger = 0; stranger < 20; stranger += 1) {
      codes.push(await codeOf(await send(await sign(await on.market.anvil.key(5_000 + stranger)))));
    }
    const short = codes.filter((code) => code === "X402_FUNDS_SHORT");
    assert.deepEqual(codes, [...short, ...Array(4).fill("X402_BUSY")]);
  });

  it("counts what somebody else submits after this node could not", async () => {
    await node.stop();
    const calls: Parameters<ChainSender["send"]>[0][] = [];
    const refuse = (): Pick<ChainSender, "send"> => ({
      async send(call) {
        calls.push(call as never);
        throw new ChainError({ code: "CHAIN_DISPLACED", transaction: zeroHash });
      },
    });
    node = await on.start({ sender: refuse, settings: { lookEveryMs: 50 } });
    await payingFetch(on.market, viewer)(node.url("240p/0.m4s"));
    const stranger = await on.market.sender(await on.market.anvil.key(80));
    await stranger.send(calls[0]!);
    await on.until(async () => (await node.prepaid.balance(viewer.address)) === PREPAY);
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

  it("refunds what a viewer that hangs up did not get", async () => {
    await node.stop();
    node = await on.start({ price: "0.00000001" });
    const { token } = infoOf(await payingFetch(on.market, viewer)(node.url("master.m3u8")));
    await on.hangUpHalfWay(node.url("240p/9.m4s"), token);
    const taken = PREPAY - BigInt(LARGE_BYTES) / 100n;
    await on.until(async () => (await node.prepaid.balance(viewer.address)) > taken);
    const balance = await node.prepaid.balance(viewer.address);
    assert.ok(balance > PREPAY - BigInt(LARGE_BYTES) / 200n, "less than half of it went out");
    assert.ok(balance < PREPAY, "what went out is paid");
  });

  it("knows a token only as long as it stands, and keeps no token that could be read", async () => {
    await node.stop();
    let passedMs = 0;
    node = await on.start({ clock: { ...systemClock, nowMs: () => Date.now() + passedMs } });
    const { token } = infoOf(await payingFetch(on.market, viewer)(node.url("master.m3u8")));
    const ask = (bearer: string) => fetch(node.url("240p/0.m4s"), { headers: { authorization: `Bearer ${bearer}` } });
    const changed = `${token.slice(0, -2)}${token.endsWith("AA") ? "BB" : "AA"}`;
    assert.equal(await codeOf(await ask(changed)), "X402_TOKEN_INVALID");
    assert.equal(await codeOf(await ask("short")), "X402_TOKEN_INVALID");
    const kept = JSON.stringify(await on.database.list("prepaid/"));
    assert.ok(!kept.includes(token) && !kept.includes(token.slice(12)));
    passedMs = 3_601_000;
    assert.equal(await codeOf(await ask(token)), "X402_TOKEN_EXPIRED");
  });

  it("refuses what cannot be read with 400 and a code of its own", async () => {
    const cases: [header: string, code: string, error: string][] = [
      ["A".repeat(8_196), "X402_HEADER_TOO_LONG", "invalid_payload"],
      ["%%%%", "X402_HEADER_NOT_BASE64", "invalid_payload"],
      [Buffer.from("{oh").toString("base64"), "X402_HEADER_NOT_JSON", "invalid_payload"],
      [Buffer.from('{"x402Version":1}').toString("base64"), "X402_VERSION_UNSUPPORTED", "invalid_x402_version"],
      [Buffer.from("null").toString("base64"), "X402_VERSION_UNSUPPORTED", "invalid_x402_version"],
      [Buffer.from('{"x402Version":2}').toString("base64"), "X402_PAYLOAD_INVALID", "invalid_payload"],
    ];
    for (const [header, code, error] of cases) {
      const answer = await fetch(node.url("240p/0.m4s"), { headers: { "payment-signature": header } });
      assert.equal(answer.status, 400, code);
      assert.equal(await codeOf(answer), code);
      assert.equal(decodePaymentRequiredHeader(answer.headers.get("payment-required")!).error, error);
    }
  });

  it("refuses a payment that is not what was asked for with a code of its own", async () => {
    const payload = await sign();
    const { authorization, signature } = payload.payload as {
      authorization: Record<string, string>;
      signature: string;
    };
    const poor = await on.newViewer(PREPAY - 1n);
    const now = Math.floor(Date.now() / 1_000);
    const accepted = (change: object) => ({ ...payload, accepted: { ...payload.accepted, ...change } });
    const signed = (change: object) => ({
      ...payload,
      payload: { authorization: { ...authorization, ...change }, signature },
    });
    const highS = `${signature.slice(0, 66)}${"f".repeat(64)}${signature.slice(130)}`;
    const cases: [payload: unknown, code: string, error: string][] = [
      [accepted({ network: "eip155:1" }), "X402_NETWORK_WRONG", "invalid_exact_evm_network_mismatch"],
      [accepted({ asset: on.market.anvil.deployment.tokens.LPT }), "X402_ASSET_WRONG", "invalid_asset"],
      [accepted({ payTo: viewer.address }), "X402_PAYEE_WRONG", "invalid_exact_evm_recipient_mismatch"],
      [accepted({ scheme: "upto" }), "X402_SCHEME_UNSUPPORTED", "unsupported_scheme"],
      [signed({ to: viewer.address }), "X402_PAYEE_WRONG", "invalid_exact_evm_recipient_mismatch"],
      [signed({ value: "999999" }), "X402_VALUE_TOO_SMALL", "invalid_exact_evm_authorization_value"],
      [signed({ value: "1000001" }), "X402_VALUE_TOO_LARGE", "invalid_exact_evm_payload_authorization_value_mismatch"],
      [
        signed({ validAfter: String(now + 60) }),
        "X402_NOT_YET_VALID",
        "invalid_exact_evm_payload_authorization_valid_after",
      ],
      [signed({ validBefore: String(now) }), "X402_EXPIRED", "invalid_exact_evm_payload_authorization_valid_before"],
      [
        signed({ validBefore: String(now + 9_999) }),
        "X402_VALID_TOO_LONG",
        "invalid_exact_evm_payload_authorization_valid_before",
      ],
      [signed({ from: poor.address }), "X402_SIGNER_WRONG", "invalid_exact_evm_signature"],
      [
        { ...payload, payload: { authorization, signature: highS } },
        "X402_SIGNATURE_INVALID",
        "invalid_exact_evm_signature",
      ],
      [await sign(poor), "X402_FUNDS_SHORT", "invalid_exact_evm_insufficient_balance"],
      [signed({ value: "9".repeat(78) }), "X402_PAYLOAD_INVALID", "invalid_payload"],
      [signed({ more: "1" }), "X402_PAYLOAD_INVALID", "invalid_payload"],
    ];
    for (const [wrong, code, error] of cases) {
      const answer = await send(wrong);
      assert.equal(await codeOf(answer), code);
      assert.equal(answer.status, code === "X402_PAYLOAD_INVALID" ? 400 : 402, code);
      assert.equal(decodePaymentRequiredHeader(answer.headers.get("payment-required")!).error, error);
    }
    assert.equal(await node.prepaid.balance(viewer.address), 0n);
    assert.equal((await send(payload)).status, 200, "the payment itself was good all the while");
  });
});
