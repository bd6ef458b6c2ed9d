import assert from "node:assert/strict";
import { ChainError } from "@leat/node/chain/errors.ts";
import type { ChainSender } from "@leat/node/chain/sender.ts";
import { splitSignature } from "@leat/node/chain/token-authorizations.ts";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { transferAuthorizationStructure } from "@leat/sdk/protocol/eip3009.ts";
import { bytesToHex, type Hex, zeroHash } from "@leat/sdk/protocol/hex.ts";
import { typedFields } from "@leat/sdk/protocol/typed-data.ts";
import { decodePaymentRequiredHeader } from "@x402/core/http";
import { numberToHex, parseAbi } from "viem";
import { PREPAY, useExact } from "../../../support/exact-scene.ts";
import { openRpcProxy, type RpcCall, type RpcProxy } from "../../../support/rpc-proxy.ts";
import { accountOf, usdcOf } from "../../../support/x402-scene.ts";

const cancelAbi = parseAbi([
  "function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)",
]);
/** What a payment may last and what it is remembered for after that, seconds. */
const [VALID, REMEMBERED] = [300, 900];
/** More than one query of logs covers, by several times. */
const MANY_BLOCKS = 10_000n;

describe("x402, exact scheme, authorisations that their payer cancels", function () {
  this.timeout(180_000);
  const scene = useExact();
  const { on, codeOf, records, send } = scene;
  let laterSeconds = 0;
  const clock = { ...systemClock, nowMs: () => Date.now() + 1_000 * laterSeconds };
  const nowSeconds = () => Math.floor(clock.nowMs() / 1_000);
  const lose = (): Pick<ChainSender, "send"> => ({
    async send() {
      throw new ChainError({ code: "CHAIN_NOT_CONFIRMED", transaction: zeroHash });
    },
  });

  const advanceBothClocks = async (seconds: number) => {
    laterSeconds += seconds;
    await on.market.anvil.testClient.increaseTime({ seconds });
    await on.market.anvil.mine(5);
  };
  const domain = () => {
    const { chainId, tokens } = on.market.anvil.deployment;
    return { name: "USD Coin", version: "1", chainId, verifyingContract: tokens.USDC };
  };
  /** A payment by the clock of these tests; the public client knows that of the machine alone. */
  const pay = async (nonce: Hex) => {
    const asked = await fetch(scene.node.url("240p/0.m4s"));
    const [accepted] = decodePaymentRequiredHeader(asked.headers.get("payment-required")!).accepts;
    const { address: from } = scene.viewer;
    const { address: to } = on.market.node;
    const validBefore = BigInt(nowSeconds() + VALID);
    const message = { from, to, value: PREPAY, validAfter: 0n, validBefore, nonce };
    const signature = await accountOf(scene.viewer).signTypedData({
      domain: domain(),
      types: { TransferWithAuthorization: typedFields(transferAuthorizationStructure) },
      primaryType: "TransferWithAuthorization",
      message,
    });
    const texts = { value: String(PREPAY), validAfter: "0", validBefore: String(validBefore) };
    return send({ x402Version: 2, accepted, payload: { signature, authorization: { ...message, ...texts } } });
  };
  const cancel = async (nonce: Hex) => {
    const { address } = scene.viewer;
    const signature = await accountOf(scene.viewer).signTypedData({
      domain: domain(),
      types: {
        CancelAuthorization: [
          { name: "authorizer", type: "address" },
          { name: "nonce", type: "bytes32" },
        ],
      },
      primaryType: "CancelAuthorization",
      message: { authorizer: address, nonce },
    });
    const { v, r, s } = splitSignature(signature);
    const token = on.market.anvil.deployment.tokens.USDC;
    const stranger = await on.market.sender(await on.market.anvil.key(83));
    const call = { address: token, abi: cancelAbi, functionName: "cancelAuthorization" } as const;
    await stranger.send({ ...call, args: [address, nonce, v, r, s] });
    await on.market.anvil.mine(3);
  };
  /** A chain with many more blocks than there are, of the newest one's time, and an endpoint that shows no logs of it. */
  const lengthenAndHide = async () => {
    const { publicClient } = on.market;
    const block = await publicClient.request({ method: "eth_getBlockByNumber", params: ["latest", false] });
    const lengthen = (height: unknown) => numberToHex(BigInt(height as Hex) + MANY_BLOCKS);
    const invent = (truth: unknown, { params: [number] }: RpcCall) => truth ?? { ...block, number };
    return (proxy: RpcProxy) => {
      proxy.fault("eth_blockNumber", { kind: "rewrite", result: lengthen });
      proxy.fault("eth_getBlockByNumber", { kind: "rewrite", result: invent });
      proxy.fault("eth_getLogs", { kind: "answer", result: () => [] });
    };
  };
  const newNonce = () => bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
  /** A payment that was written down, and of which nobody knows whether it was sent. */
  const leavePending = async () => {
    await scene.node.stop();
    scene.node = await on.start({ sender: lose, clock });
    const nonce = newNonce();
    assert.equal(await codeOf(await pay(nonce)), "X402_PAYMENT_PENDING");
    await scene.node.stop();
    return nonce;
  };
  /** How often a node asks for logs in its first look. `spoil` stands between it and the chain. */
  const look = async (spoil: (proxy: RpcProxy) => void = () => {}) => {
    const proxy = await openRpcProxy(on.market.anvil.rpcUrl);
    spoil(proxy);
    try {
      scene.node = await on.startAndLook({ rpcUrl: proxy.url, clock });
      return proxy.count("eth_getLogs");
    } finally {
      await scene.node.stop();
      await proxy.close();
      scene.node = await on.start({ clock });
    }
  };

  it("takes its payer's next payment, and forgets the cancelled one when it has ended", async () => {
    await cancel(await leavePending());
    scene.node = await on.start({ clock });
    assert.equal((await pay(newNonce())).status, 200);
    assert.equal(await usdcOf(on.market, scene.viewer.address), 4n * PREPAY);
    assert.deepEqual((await records()).map(({ state }) => state).toSorted(), ["credited", "refused"]);
    await scene.node.stop();
    await advanceBothClocks(VALID + REMEMBERED);
    assert.equal(await look(), 1);
    assert.deepEqual(await records(), []);
  });

  it("forgets one that was cancelled while the node was down", async () => {
    await cancel(await leavePending());
    await advanceBothClocks(VALID + REMEMBERED);
    assert.equal(await look(), 1);
    assert.deepEqual(await records(), []);
    assert.equal((await pay(newNonce())).status, 200);
  });

  it("waits for logs that do not come no longer than an endpoint may lag, and searches few blocks for them", async () => {
    await cancel(await leavePending());
    await advanceBothClocks(VALID + REMEMBERED);
    assert.equal(await look(await lengthenAndHide()), 1, "the blocks in which it could be used, of many");
    assert.deepEqual(
      (await records()).map(({ state }) => state),
      ["refused"],
    );
    await scene.node.stop();
    await advanceBothClocks(REMEMBERED);
    assert.equal(await look(await lengthenAndHide()), 1);
    assert.deepEqual(await records(), []);
  });
});
