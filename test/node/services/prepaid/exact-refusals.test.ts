import assert from "node:assert/strict";
import { ChainError } from "@leat/node/chain/errors.ts";
import type { ChainSender } from "@leat/node/chain/sender.ts";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { type LogFields, silentLogger } from "@leat/sdk/base/logger.ts";
import { zeroHash } from "@leat/sdk/protocol/hex.ts";
import { decodePaymentRequiredHeader } from "@x402/core/http";
import { PREPAY, useExact } from "../../../support/exact-scene.ts";
import { openRpcProxy } from "../../../support/rpc-proxy.ts";
import { payingFetch, usdcOf } from "../../../support/x402-scene.ts";

describe("x402, exact scheme, refusals and gas", function () {
  this.timeout(120_000);
  const scene = useExact();
  const { on, codeOf, records, sign, send } = scene;

  it("submits what is worth its gas, from gas that is set apart", async () => {
    const sent: string[] = [];
    const count = (real: ChainSender): Pick<ChainSender, "send"> => ({
      async send(call, ...rest) {
        sent.push(call.functionName);
        return real.send(call, ...rest);
      },
    });
    await scene.node.stop();
    scene.node = await on.start({ sender: count, perNative: 10n ** 15n });
    const dear = await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"));
    assert.equal(dear.status, 503);
    assert.equal(await codeOf(dear), "X402_SETTLEMENT_UNAVAILABLE");
    assert.deepEqual(sent, []);
    await scene.node.stop();
    scene.node = await on.start({ sender: count, settings: { dailyGasEther: "0.000000000000000001" } });
    const over = await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s"));
    assert.equal(await codeOf(over), "X402_SETTLEMENT_UNAVAILABLE");
    assert.deepEqual(sent, []);
    assert.deepEqual(await records(), [], "what was not begun leaves no trace");
    assert.equal(await usdcOf(on.market, scene.viewer.address), 5n * PREPAY);
  });

  it("tells its operator when what is prepaid is not worth its gas, and what would be", async () => {
    await scene.node.stop();
    const warned = Promise.withResolvers<[string, LogFields | undefined]>();
    const warn = (text: string, facts?: LogFields) => {
      if (text.startsWith("Refuse prepayments")) warned.resolve([text, facts]);
    };
    const logger = { ...silentLogger, warn };
    scene.node = await on.start({ perNative: 10n ** 15n, logger });
    const [text, facts] = await warned.promise;
    assert.match(text, /^Refuse prepayments: gas costs more than settlement\.gasShare/);
    assert.equal(facts?.prepay, "1");
    assert.ok(Number(facts?.leastPrepay) > 1, String(facts?.leastPrepay));
  });

  it("asks the chain nothing of strangers while there is no gas to send their payments with", async () => {
    await scene.node.stop();
    const proxy = await openRpcProxy(on.market.anvil.rpcUrl);
    try {
      const now = Date.now();
      let later = 0;
      const clock = { ...systemClock, nowMs: () => now + later };
      const settings = { dailyGasEther: "0.000000000000000001" };
      scene.node = await on.start({ settings, rpcUrl: proxy.url, clock });
      const ask = async () => codeOf(await payingFetch(on.market, scene.viewer)(scene.node.url("240p/0.m4s")));
      assert.equal(await ask(), "X402_SETTLEMENT_UNAVAILABLE");
      const asked = proxy.calls.length;
      assert.equal(await ask(), "X402_SETTLEMENT_UNAVAILABLE");
      assert.equal(proxy.calls.length, asked);
      later = 5_000;
      assert.equal(await ask(), "X402_SETTLEMENT_UNAVAILABLE");
      assert.ok(proxy.calls.length > asked);
    } finally {
      await scene.node.stop();
      await proxy.close();
    }
  });

  it("remembers nothing of a payment that was never sent, and takes the same again", async () => {
    await scene.node.stop();
    let isDear = true;
    scene.node = await on.start({
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
    await scene.node.stop();
    const failed = { code: "CHAIN_REVERTED", method: "", reason: "in its block", transaction: zeroHash } as const;
    const fail = (): Pick<ChainSender, "send"> => ({
      async send() {
        throw new ChainError(failed);
      },
    });
    scene.node = await on.start({ sender: fail });
    const codes: string[] = [];
    for (let payment = 0; payment < 5; payment += 1) codes.push(await codeOf(await send(await sign())));
    assert.deepEqual(codes, [...Array(4).fill("X402_SETTLEMENT_REFUSED"), "X402_TOO_MANY_REFUSED"]);
    await send(await sign(await on.newViewer(PREPAY)));
    assert.equal((await records()).length, 5);
    await scene.node.stop();
    const proxy = await openRpcProxy(on.market.anvil.rpcUrl);
    try {
      scene.node = await on.startAndLook({ sender: fail, rpcUrl: proxy.url });
      assert.equal(proxy.count("eth_getLogs"), 1);
    } finally {
      await scene.node.stop();
      await proxy.close();
    }
  });

  it("looks at no more strangers' accounts in a second than it can spare calls for", async () => {
    await scene.node.stop();
    const now = Date.now();
    scene.node = await on.start({ clock: { ...systemClock, nowMs: () => now } });
    const codes: string[] = [];
    for (let stranger = 0; stranger < 20; stranger += 1) {
      codes.push(await codeOf(await send(await sign(await on.market.anvil.key(5_000 + stranger)))));
    }
    const short = codes.filter((code) => code === "X402_FUNDS_SHORT");
    assert.deepEqual(codes, [...short, ...Array(4).fill("X402_BUSY")]);
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
      const answer = await fetch(scene.node.url("240p/0.m4s"), { headers: { "payment-signature": header } });
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
      [accepted({ payTo: scene.viewer.address }), "X402_PAYEE_WRONG", "invalid_exact_evm_recipient_mismatch"],
      [accepted({ scheme: "upto" }), "X402_SCHEME_UNSUPPORTED", "unsupported_scheme"],
      [signed({ to: scene.viewer.address }), "X402_PAYEE_WRONG", "invalid_exact_evm_recipient_mismatch"],
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
    assert.equal(await scene.node.prepaid.balance(scene.viewer.address), 0n);
    assert.equal((await send(payload)).status, 200, "the payment itself was good all the while");
  });
});
