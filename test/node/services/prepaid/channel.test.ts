import assert from "node:assert/strict";
import { ChainError } from "@leat/node/chain/errors.ts";
import { gasOf } from "@leat/node/chain/gas.ts";
import type { ChainSender } from "@leat/node/chain/sender.ts";
import { systemClock } from "@leat/node/kernel/clock.ts";
import type { NodeKey } from "@leat/node/kernel/keys.ts";
import { settlementOptions } from "@leat/node/services/settlement/options.ts";
import { SettlementService } from "@leat/node/services/settlement/settlement-service.ts";
import { TokenValues } from "@leat/node/services/settlement/token-values.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { thaw } from "@leat/sdk/client/actions/account.ts";
import { LeatChannelScheme, preferChannel } from "@leat/sdk/client/x402/channel-scheme.ts";
import { createPrepaidFetch } from "@leat/sdk/client/x402/prepaid-fetch.ts";
import { channelId, hubChannel } from "@leat/sdk/protocol/channel.ts";
import { valueToJson } from "@leat/sdk/protocol/eip712.ts";
import { receiveAuthorizationStructure, reserveNonce } from "@leat/sdk/protocol/eip3009.ts";
import { bytesToHex, zeroHash } from "@leat/sdk/protocol/hex.ts";
import { nextUsageRoot } from "@leat/sdk/protocol/merkle.ts";
import { type Voucher, voucherStructure } from "@leat/sdk/protocol/signed.ts";
import { typedFields } from "@leat/sdk/protocol/typed-data.ts";
import { BALANCE_HEADER, CHANNEL_SCHEME } from "@leat/sdk/protocol/x402.ts";
import {
  decodePaymentRequiredHeader,
  decodePaymentResponseHeader,
  encodePaymentSignatureHeader,
} from "@x402/core/http";
import type { PaymentPayload } from "@x402/core/types";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { Wallet } from "ethers";
import { createWalletClient, getAddress, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { collectAny } from "../../../support/collect-any.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { useX402 } from "../../../support/use-x402.ts";
import { wholeSegment } from "../../../support/whole-segment.ts";
import { accountOf, standStill, usdcOf, type X402Node } from "../../../support/x402-scene.ts";

const TOP_UP = 1_000_000n;

describe("x402, channel scheme", function () {
  this.timeout(120_000);
  const on = useX402();
  let viewer: NodeKey;
  let node: X402Node;

  beforeEach(async () => {
    viewer = await on.newViewer(3n * TOP_UP);
    node = await on.start();
  });

  const size = (sequence: number) => BigInt(wholeSegment(on.stream, 1, sequence)!.length);
  const codeOf = async (answer: Response) => ((await answer.json()) as { error: { code: string } }).error.code;
  const channel = () => hubChannel(viewer.address, on.market.node.address, on.market.anvil.deployment.tokens.USDC);
  const heldTotal = async () => (await on.vouchers.newest("held", channelId(channel())))?.voucher.value.cumulative;

  /** The public packages with our scheme beside theirs. */
  const clientOf = (options: { raiseAtLeast?: bigint } = {}) => {
    const { chainId, escrow, tokens } = on.market.anvil.deployment;
    const network = `eip155:${chainId}` as const;
    const signer = accountOf(viewer);
    return x402Client.fromConfig({
      schemes: [
        { network, client: new ExactEvmScheme(signer) },
        { network, client: new LeatChannelScheme({ signer, escrow, asset: tokens.USDC, topUp: TOP_UP, ...options }) },
      ],
      policies: [preferChannel],
      spendControls: { allowedAssets: [{ network, asset: tokens.USDC, maxAmountPerPayment: "1000000" }] },
    });
  };
  const signVoucher = async (change: Partial<Voucher>, key = viewer) => {
    const usageRoot = nextUsageRoot(zeroHash, 1n, zeroHash);
    const value = { ...channel(), cumulative: size(0), seq: 1n, usageRoot, ...change };
    const signature = await key.signer.sign(voucherStructure, on.market.domain, value);
    return { value: valueToJson(voucherStructure, value), signature };
  };
  const signTopUp = async (value: bigint, key = viewer) => {
    const { chainId, escrow, tokens } = on.market.anvil.deployment;
    const salt = bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
    const validBefore = BigInt(Math.floor(Date.now() / 1_000) + 300);
    const nonce = reserveNonce(channel(), salt);
    const signature = await accountOf(key).signTypedData({
      domain: { name: "USD Coin", version: "1", chainId, verifyingContract: tokens.USDC },
      types: { ReceiveWithAuthorization: typedFields(receiveAuthorizationStructure) },
      primaryType: "ReceiveWithAuthorization",
      message: { from: key.address, to: escrow, value, validAfter: 0n, validBefore, nonce },
    });
    return { value: value.toString(), validAfter: "0", validBefore: validBefore.toString(), salt, signature };
  };
  /** A node that tells which transactions it sent. */
  const startCounting = async (changes: { price?: string; perNative?: bigint } = {}) => {
    await node.stop();
    const sent: string[] = [];
    const count = (real: ChainSender): Pick<ChainSender, "send"> => ({
      async send(call, ...rest) {
        sent.push(call.functionName);
        return real.send(call, ...rest);
      },
    });
    node = await on.start({ sender: count, ...changes });
    return sent;
  };
  const sendPayload = async (payload: Record<string, unknown>) => {
    const asked = await fetch(node.url("240p/0.m4s"));
    const required = decodePaymentRequiredHeader(asked.headers.get("payment-required")!);
    const accepted = required.accepts.find(({ scheme }) => scheme === CHANNEL_SCHEME)!;
    const header = encodePaymentSignatureHeader({ x402Version: 2, accepted, payload } as PaymentPayload);
    return fetch(node.url("240p/0.m4s"), { headers: { "payment-signature": header } });
  };

  it("tops the channel up once and pays each request with a voucher over its price", async () => {
    const pay = wrapFetchWithPayment(fetch, clientOf());
    const first = await pay(node.url("240p/0.m4s"));
    assert.equal(first.status, 200);
    assert.deepEqual(new Uint8Array(await first.arrayBuffer()), Uint8Array.from(wholeSegment(on.stream, 1, 0)!));
    const settled = decodePaymentResponseHeader(first.headers.get("payment-response")!);
    assert.match(settled.transaction, /^0x[0-9a-f]{64}$/);
    assert.equal(settled.amount, size(0).toString());
    for (const sequence of [1, 2]) {
      const answer = await pay(node.url(`240p/${sequence}.m4s`));
      assert.equal(answer.status, 200);
      await answer.arrayBuffer();
      const { transaction, amount } = decodePaymentResponseHeader(answer.headers.get("payment-response")!);
      assert.deepEqual([transaction, amount], ["", size(sequence).toString()]);
    }
    const total = size(0) + size(1) + size(2);
    assert.equal(await heldTotal(), total);
    assert.equal(await usdcOf(on.market, viewer.address), 2n * TOP_UP, "one top-up, and nothing else, left the payer");
    assert.equal((await on.market.view.channelState(channel())).reserve, TOP_UP);
    assert.equal(await node.prepaid.balance(viewer.address), 0n);
    assert.deepEqual(on.stream.counted, []);
  });

  it("gives vouchers that the node's settlement collects", async () => {
    await (await wrapFetchWithPayment(fetch, clientOf())(node.url("240p/0.m4s"))).arrayBuffer();
    const quiet = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };
    const { view: chain, anvil } = on.market;
    const sender = await on.market.sender(on.market.node);
    const { deployment } = anvil;
    const settings = defaultsOf(settlementOptions);
    const gas = gasOf(on.market.publicClient);
    const tokens = await TokenValues.read({
      costs: collectAny,
      tokens: deployment.tokens,
      decimalsOf: (token) => chain.decimalsOf(token),
    });
    const held = { vouchers: on.vouchers, payee: node.payee };
    const settlement = new SettlementService({ ...held, chain, sender, gas, tokens, deployment, ...quiet }, settings);
    await settlement.collectNow();
    await settlement.stop();
    assert.equal((await chain.channelState(channel())).collected, size(0));
  });

  it("spends a voucher that is ahead by its token, with no payment in between", async () => {
    const payments: (string | null)[] = [];
    const watched: typeof fetch = async (input, init) => {
      const request = new Request(input, init);
      payments.push(request.headers.get("payment-signature"));
      return fetch(request);
    };
    const pay = wrapFetchWithPayment(createPrepaidFetch(watched), clientOf({ raiseAtLeast: 500_000n }));
    for (const sequence of [0, 1, 2]) {
      const answer = await pay(node.url(`240p/${sequence}.m4s`));
      assert.equal(answer.status, 200);
      await answer.arrayBuffer();
      if (sequence === 2) {
        assert.equal(BigInt(answer.headers.get(BALANCE_HEADER)!), 500_000n - size(0) - size(1) - size(2));
      }
    }
    // Unpaid, then a voucher over nothing that asks, then one with the top-up; the rest goes by the token alone.
    assert.deepEqual(
      payments.map((payment) => payment !== null),
      [false, true, true, false, false],
    );
  });

  it("goes on from the node's voucher when the client has lost its memory", async () => {
    await (await wrapFetchWithPayment(fetch, clientOf())(node.url("240p/0.m4s"))).arrayBuffer();
    const answer = await wrapFetchWithPayment(fetch, clientOf())(node.url("240p/1.m4s"));
    assert.equal(answer.status, 200);
    assert.equal(await heldTotal(), size(0) + size(1));
    assert.equal(await usdcOf(on.market, viewer.address), 2n * TOP_UP, "no second top-up");
  });

  it("counts a voucher that was kept before the node was killed", async () => {
    await (await wrapFetchWithPayment(fetch, clientOf())(node.url("240p/0.m4s"))).arrayBuffer();
    const held = (await on.vouchers.newest("held", channelId(channel())))!.voucher.value;
    const usageRoot = nextUsageRoot(held.usageRoot, 2n, zeroHash);
    const value = { ...held, cumulative: held.cumulative + 7n, seq: 2n, usageRoot };
    const voucher = { value, signature: await viewer.signer.sign(voucherStructure, on.market.domain, value) };
    // As if the node had died between keeping it and counting it.
    await node.payee.accept({ voucher, kind: "prepay", receiptsRoot: zeroHash, receiptHashes: [] });
    const answer = await wrapFetchWithPayment(fetch, clientOf())(node.url("240p/1.m4s"));
    assert.equal(answer.status, 200);
    assert.equal(await node.prepaid.balance(viewer.address), 7n);
  });

  it("tells nobody but the payer what it holds, and takes an old voucher for nothing", async () => {
    await (await wrapFetchWithPayment(fetch, clientOf())(node.url("240p/0.m4s"))).arrayBuffer();
    const { voucher } = (await on.vouchers.newest("held", channelId(channel())))!;
    // The chain shows every voucher that was collected: this one is anybody's.
    const replayed = await sendPayload({
      voucher: { value: valueToJson(voucherStructure, voucher.value), signature: voucher.signature },
    });
    assert.equal(await codeOf(replayed), "X402_VOUCHER_NOT_NEXT");
    assert.equal(replayed.headers.get("payment-response"), null);
    const stranger = await on.newViewer(0n);
    const guessed = await sendPayload({ voucher: await signVoucher({ seq: 2n }, stranger) });
    assert.equal(await codeOf(guessed), "X402_SIGNER_WRONG");
    const required = decodePaymentRequiredHeader(guessed.headers.get("payment-required")!);
    assert.deepEqual(Object.keys(required.extensions!), ["leat-prepaid"]);
  });

  it("refuses a voucher that is not what was asked for with a code of its own", async () => {
    const { tokens } = on.market.anvil.deployment;
    const other = await on.newViewer(0n);
    const cases: [payload: Record<string, unknown>, code: string][] = [
      [{ voucher: await signVoucher({ payee: other.address }) }, "X402_PAYEE_WRONG"],
      [{ voucher: await signVoucher({ token: tokens.LPT }) }, "X402_ASSET_WRONG"],
      [{ voucher: await signVoucher({ cluster: 1n, clusterPpm: 5 }) }, "X402_SHARE_UNWANTED"],
      [{ voucher: await signVoucher({}, other) }, "X402_SIGNER_WRONG"],
      [{ voucher: await signVoucher({ payer: on.market.account }, on.market.balancer) }, "X402_PAYER_IS_CLUSTER"],
      [{ voucher: await signVoucher({ cumulative: 1n }) }, "X402_VALUE_TOO_SMALL"],
      [{ voucher: await signVoucher({ cumulative: 1_000_001n }) }, "X402_VALUE_TOO_LARGE"],
      [{ voucher: await signVoucher({}) }, "X402_RESERVE_SHORT"],
      [{ voucher: await signVoucher({ seq: 2n }) }, "X402_VOUCHER_NOT_NEXT"],
      [{ voucher: { ...(await signVoucher({})), signature: `0x${"11".repeat(10)}` } }, "X402_PAYLOAD_INVALID"],
      [{ voucher: { value: { payer: 1 }, signature: `0x${"11".repeat(65)}` } }, "X402_PAYLOAD_INVALID"],
    ];
    for (const [payload, code] of cases) assert.equal(await codeOf(await sendPayload(payload)), code);
    assert.equal(await heldTotal(), undefined);
  });

  it("submits a top-up only for a voucher that it takes and that needs it", async () => {
    const sent = await startCounting();
    const stale = await signVoucher({ seq: 2n });
    const cases: [voucher: unknown, topUp: unknown, code: string][] = [
      [stale, await signTopUp(TOP_UP), "X402_VOUCHER_NOT_NEXT"],
      [await signVoucher({ usageRoot: zeroHash }), await signTopUp(TOP_UP), "X402_VOUCHER_NOT_NEXT"],
      [await signVoucher({ cumulative: 1n }), await signTopUp(TOP_UP), "X402_VALUE_TOO_SMALL"],
      [await signVoucher({ cumulative: TOP_UP + 1n }), await signTopUp(TOP_UP), "X402_VALUE_TOO_LARGE"],
      [await signVoucher({}), await signTopUp(1n), "X402_TOP_UP_TOO_SMALL"],
      [await signVoucher({}), await signTopUp(TOP_UP - 1n), "X402_TOP_UP_TOO_SMALL"],
      [await signVoucher({}), await signTopUp(9n * TOP_UP), "X402_FUNDS_SHORT"],
    ];
    for (const [voucher, topUp, code] of cases) assert.equal(await codeOf(await sendPayload({ voucher, topUp })), code);
    assert.deepEqual(sent, []);
    const first = await signVoucher({});
    assert.equal((await sendPayload({ voucher: first, topUp: await signTopUp(TOP_UP) })).status, 200);
    assert.deepEqual(sent, ["reserveWithAuthorization"]);
    const usageRoot = nextUsageRoot(nextUsageRoot(zeroHash, 1n, zeroHash), 2n, zeroHash);
    const next = await signVoucher({ cumulative: 2n * size(0), seq: 2n, usageRoot });
    assert.equal((await sendPayload({ voucher: next, topUp: await signTopUp(TOP_UP) })).status, 200);
    const replayed = await sendPayload({ voucher: first, topUp: await signTopUp(TOP_UP) });
    assert.equal(await codeOf(replayed), "X402_VOUCHER_NOT_NEXT");
    assert.equal(sent.length, 1, "the reserve lasts, and the old voucher is never taken");
    assert.equal(await usdcOf(on.market, viewer.address), 2n * TOP_UP);
  });

  it("submits no top-up whose gas costs more than it should", async () => {
    const sent = await startCounting({ perNative: 10n ** 15n });
    const answer = await sendPayload({ voucher: await signVoucher({}), topUp: await signTopUp(TOP_UP) });
    assert.equal(await codeOf(answer), "X402_SETTLEMENT_UNAVAILABLE");
    assert.deepEqual(sent, []);
  });

  it("submits no top-up that leaves the reserve too small", async () => {
    const sent = await startCounting({ price: "0.001" });
    const voucher = await signVoucher({ cumulative: 1_000n * size(0) });
    assert.equal(await codeOf(await sendPayload({ voucher, topUp: await signTopUp(TOP_UP) })), "X402_RESERVE_SHORT");
    assert.deepEqual(sent, []);
  });

  it("takes no voucher on a reserve that thaws, though its payee would for work that was done", async () => {
    await (await wrapFetchWithPayment(fetch, clientOf())(node.url("240p/0.m4s"))).arrayBuffer();
    const { view, anvil } = on.market;
    const { payee, token } = channel();
    const { blockNumber } = await thaw(anvil.client(viewer), { payee, token, amount: TOP_UP });
    await view.whenConfirmed(blockNumber);
    const held = (await on.vouchers.newest("held", channelId(channel())))!.voucher.value;
    const usageRoot = nextUsageRoot(held.usageRoot, 2n, zeroHash);
    const next = await signVoucher({ cumulative: held.cumulative + size(0), seq: 2n, usageRoot });
    assert.equal(await codeOf(await sendPayload({ voucher: next })), "X402_RESERVE_SHORT");
    assert.equal(await heldTotal(), size(0));
  });

  it("answers a client before a chain that stands still", async () => {
    await node.stop();
    node = await on.start({ sender: standStill, settings: { settleWaitMs: 1_000 } });
    const late = await wrapFetchWithPayment(fetch, clientOf())(node.url("240p/0.m4s"));
    assert.equal(late.status, 503);
    assert.equal(await codeOf(late), "X402_PAYMENT_PENDING");
  });

  it("tells a payer that asks for the first time that the chain is away, not that it pays too little", async () => {
    const { view } = on.market;
    const ask = view.channelState.bind(view);
    view.channelState = async () => {
      throw new ChainError({ code: "CHAIN_UNREACHABLE", method: "eth_call", reason: "" });
    };
    try {
      const answer = await wrapFetchWithPayment(fetch, clientOf())(node.url("240p/0.m4s"));
      assert.deepEqual([answer.status, await codeOf(answer)], [503, "X402_CHAIN_UNAVAILABLE"]);
    } finally {
      view.channelState = ask;
    }
  });

  it("uses a top-up that somebody else submitted first", async () => {
    await node.stop();
    const stranger = await on.market.sender(await on.market.anvil.key(81));
    let overtaken = 0;
    const overtake = (real: ChainSender): Pick<ChainSender, "send"> => ({
      async send(call, signal) {
        await stranger.send(call, signal);
        overtaken += 1;
        return real.send(call, signal);
      },
    });
    node = await on.start({ sender: overtake });
    const answer = await wrapFetchWithPayment(fetch, clientOf())(node.url("240p/0.m4s"));
    assert.equal(answer.status, 200);
    assert.equal(overtaken, 1);
    assert.equal(await usdcOf(on.market, viewer.address), 2n * TOP_UP);
  });

  it("knows its escrow however the address is written", async () => {
    const { chainId, escrow, tokens } = on.market.anvil.deployment;
    const network = `eip155:${chainId}` as const;
    const mixed = new LeatChannelScheme({
      signer: accountOf(viewer),
      escrow: getAddress(escrow),
      asset: getAddress(tokens.USDC),
      topUp: TOP_UP,
    });
    const client = x402Client.fromConfig({ schemes: [{ network, client: mixed }], spendControls: false });
    assert.equal((await wrapFetchWithPayment(fetch, client)(node.url("240p/0.m4s"))).status, 200);
  });

  it("spends no call to the chain on strangers beyond what it can spare", async () => {
    await node.stop();
    const now = Date.now();
    node = await on.start({ clock: { ...systemClock, nowMs: () => now } });
    const { view } = on.market;
    const asked = new Map<string, number>();
    const ask = view.channelState.bind(view);
    view.channelState = (of) => {
      asked.set(of.payer, (asked.get(of.payer) ?? 0) + 1);
      return ask(of);
    };
    try {
      const codes: string[] = [];
      for (let stranger = 0; stranger < 40; stranger += 1) {
        const key = await on.market.anvil.key(6_000 + stranger);
        codes.push(await codeOf(await sendPayload({ voucher: await signVoucher({ payer: key.address }, key) })));
      }
      assert.deepEqual(codes, [...Array(16).fill("X402_RESERVE_SHORT"), ...Array(24).fill("X402_BUSY")]);
      assert.deepEqual([...asked.values()], Array(16).fill(1));
    } finally {
      view.channelState = ask;
    }
  });

  it("takes the signers of viem and of ethers alike", async () => {
    const { chainId, escrow, tokens } = on.market.anvil.deployment;
    const terms = { escrow, asset: tokens.USDC, topUp: TOP_UP };
    const network = `eip155:${chainId}` as const;
    const secret = bytesToHex(viewer.secret);
    const wallet = createWalletClient({ account: privateKeyToAccount(secret), transport: http("http://127.0.0.1:1") });
    for (const [at, signer] of [new Wallet(secret), wallet].entries()) {
      const client = x402Client.fromConfig({
        schemes: [{ network, client: new LeatChannelScheme({ signer, ...terms }) }],
        spendControls: false,
      });
      assert.equal((await wrapFetchWithPayment(fetch, client)(node.url(`240p/${at}.m4s`))).status, 200);
    }
    assert.equal(await usdcOf(on.market, viewer.address), 2n * TOP_UP);
    const nobody = createWalletClient({ transport: http("http://127.0.0.1:1") });
    assert.throws(() => new LeatChannelScheme({ signer: nobody, ...terms }), {
      code: "SIGNER_ACCOUNT_MISSING",
    });
    const mute = { address: viewer.address } as unknown as Wallet;
    assert.throws(() => new LeatChannelScheme({ signer: mute, ...terms }), { code: "SIGNER_UNKNOWN" });
  });

  it("signs nothing for an escrow or in a token that its payer did not name", async () => {
    const { chainId, escrow, tokens } = on.market.anvil.deployment;
    const network = `eip155:${chainId}` as const;
    const cases: [change: object, code: RegExp][] = [
      [{ escrow: tokens.LPT }, /X402_CLIENT_ESCROW_FOREIGN/],
      [{ asset: tokens.LPT }, /X402_CLIENT_ASSET_FOREIGN/],
    ];
    for (const [change, code] of cases) {
      const own = { signer: accountOf(viewer), escrow, asset: tokens.USDC, topUp: TOP_UP, ...change };
      const schemes = [{ network, client: new LeatChannelScheme(own) }];
      const client = x402Client.fromConfig({ schemes, spendControls: false });
      await assert.rejects(wrapFetchWithPayment(fetch, client)(node.url("240p/0.m4s")), code);
    }
  });
});
