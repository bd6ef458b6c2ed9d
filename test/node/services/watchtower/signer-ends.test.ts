import assert from "node:assert/strict";
import { systemClock } from "../../../../node/kernel/clock.ts";
import type { NodeKey } from "../../../../node/kernel/keys.ts";
import { nativeStatements } from "../../../../node/kernel/secp.ts";
import { VoucherSigners } from "../../../../node/services/payment/voucher-signers.ts";
import type { WatchtowerOptions } from "../../../../node/services/watchtower/options.ts";
import { LevelWatchStore } from "../../../../node/store/watched-vouchers.ts";
import { deposit, reserve } from "../../../../sdk/client/actions/account.ts";
import { createCluster } from "../../../../sdk/client/actions/cluster.ts";
import { allotSigner, proveSigner, revokeSigner } from "../../../../sdk/client/actions/signers.ts";
import { write } from "../../../../sdk/client/transaction.ts";
import { clusterRegistryAbi } from "../../../../sdk/protocol/abi/cluster-registry.ts";
import { type Channel, hubChannel } from "../../../../sdk/protocol/channel.ts";
import type { Address } from "../../../../sdk/protocol/hex.ts";
import { CONFIRMED_DEPTH, type MoneyMarket } from "../../../support/money-market.ts";
import { TowerScene } from "../../../support/tower-scene.ts";

const THAW_SECONDS = 3_600n;
const OPEN = 700n;

describe("watchtower, when a voucher's signer ends before its payer thaws", () => {
  let scene: TowerScene;
  let market: MoneyMarket;
  let token: Address;
  before(async function () {
    this.timeout(60_000);
    scene = await TowerScene.open({ USDC: 10n ** 9n, LPT: 10n ** 21n });
    market = scene.market;
    token = market.anvil.deployment.tokens.USDC;
  });
  after(() => market?.close());
  afterEach(() => scene.stopAll());

  /** The chain's time moves on, and the view sees it. */
  async function pass(seconds: bigint): Promise<void> {
    await market.anvil.testClient.increaseTime({ seconds: Number(seconds) });
    await market.anvil.mine(1 + CONFIRMED_DEPTH);
    await market.view.whenConfirmed((await market.publicClient.getBlockNumber()) - BigInt(CONFIRMED_DEPTH));
  }
  const owner = () => market.anvil.key(1);
  /** A cluster whose one balancer key reserved for the node. */
  async function openCluster(keyIndex: number) {
    const ownerClient = market.anvil.client(await owner());
    const balancer = await market.anvil.key(keyIndex);
    const { cluster, account } = await createCluster(ownerClient, { terms: "", balancers: [balancer.signer] });
    const payee = market.node.address;
    await market.anvil.mint(token, (await owner()).address, 10_000n);
    await deposit(ownerClient, { token, amount: 10_000n, account });
    const done = await reserve(market.anvil.client(balancer), { payee, token, amount: 10_000n, asCluster: cluster });
    await market.view.whenConfirmed(done.blockNumber);
    return { balancer, cluster, channel: hubChannel(account, payee, token) };
  }
  /** The buyer lets a hot key sign for the node. */
  async function allot(keyIndex: number, forSeconds: bigint) {
    const hot = await market.anvil.key(keyIndex);
    const buyer = market.anvil.client(market.buyer);
    const payment = { payee: market.node.address, token };
    await market.anvil.mint(token, market.buyer.address, 10_000n);
    await deposit(buyer, { token, amount: 10_000n });
    await reserve(buyer, { ...payment, amount: 10_000n });
    const { timestamp } = await market.publicClient.getBlock();
    const proof = await proveSigner(buyer, hot.signer, market.buyer.address);
    const terms = { ...payment, cap: 10n ** 9n, validUntil: timestamp + forSeconds, proof };
    const { blockNumber } = await allotSigner(buyer, terms);
    await market.view.whenConfirmed(blockNumber);
    return { hot, payment, channel: hubChannel(market.buyer.address, payment.payee, token) };
  }
  /** A payee leaves its voucher and is away for good. */
  async function leave(name: string, channel: Channel, signer: NodeKey, settings: Partial<WatchtowerOptions> = {}) {
    const { database } = await market.openStore(`tower-${name}`);
    const { vouchers } = await market.openStore(`node-${name}`);
    const { tower } = await scene.startTower(database, { options: { lookEveryMs: 600_000, ...settings } });
    const voucher = await scene.holdVoucher(vouchers, channel, OPEN, 1n, signer);
    const { kept } = await tower.keep(market.node.address, { vouchers: [voucher] });
    assert.equal(kept.length, 1);
    await tower.look();
    return { tower, database, total: voucher.value.cumulative };
  }
  const collected = async (channel: Channel) => (await market.view.channelState(channel)).collected;

  async function remove(cluster: bigint, balancer: NodeKey): Promise<void> {
    const address = market.anvil.deployment.clusterRegistry;
    const call = { address, abi: clusterRegistryAbi, functionName: "removeBalancer" } as const;
    const client = market.anvil.client(await owner());
    const { blockNumber } = await write(client, { ...call, args: [cluster, balancer.address] });
    await market.view.whenConfirmed(blockNumber);
  }

  it("collects what a balancer's key signed that the cluster's owner removed", async function () {
    this.timeout(30_000);
    const { balancer, cluster, channel } = await openCluster(30);
    const { tower, total } = await leave("removed", channel, balancer);
    assert.equal(await collected(channel), 0n);
    await remove(cluster, balancer);
    await tower.look();
    await pass(THAW_SECONDS + 1n);
    await tower.look();
    assert.equal(await collected(channel), total);
  });

  it("leaves a payee that takes what a removed balancer signs most of the thaw to collect it", async function () {
    this.timeout(30_000);
    const { balancer, cluster, channel } = await openCluster(37);
    const { vouchers } = await market.openStore("node-signing");
    const voucher = await scene.holdVoucher(vouchers, channel, OPEN, 1n, balancer);
    let atMs = Date.now();
    const signers = new VoucherSigners({
      statements: nativeStatements,
      domain: market.domain,
      chain: market.view,
      clock: { ...systemClock, nowMs: () => atMs },
    });
    await remove(cluster, balancer);
    assert.equal(await signers.check(voucher), undefined);
    await pass(THAW_SECONDS / 4n);
    atMs = Number(await market.view.nowSeconds()) * 1_000;
    await assert.rejects(signers.check(voucher), { code: "VOUCHER_SIGNER_EXPIRED" });
    assert.equal(await signers.isKnown(channel, balancer.address), true);
    // A tower takes it as long as it counts.
    const { tower, total } = await leave("taking", channel, balancer);
    await tower.look();
    assert.equal(await collected(channel), total);
  });

  it("finds what ended while it was away itself", async function () {
    this.timeout(30_000);
    const { balancer, cluster, channel } = await openCluster(33);
    const { database, total } = await leave("away", channel, balancer);
    await scene.stopAll();
    await remove(cluster, balancer);
    const { tower } = await scene.startTower(database, { options: { lookEveryMs: 600_000 } });
    await tower.look();
    assert.equal(await collected(channel), total);
  });

  it("collects what the key of a balancer issued to members, whom it was taken from", async function () {
    this.timeout(30_000);
    const { balancer, cluster, channel } = await openCluster(34);
    const { vouchers } = await market.openStore("node-issued");
    const { database } = await market.openStore("tower-issued");
    const voucher = await scene.holdVoucher(vouchers, channel, OPEN, 1n, balancer);
    const settings = { options: { lookEveryMs: 600_000 }, issued: async () => [voucher] };
    const { tower } = await scene.startTower(database, settings);
    await tower.look();
    assert.equal(await collected(channel), 0n);
    await remove(cluster, balancer);
    await tower.look();
    assert.equal(await collected(channel), voucher.value.cumulative);
  });

  it("gives the payee its grace, and takes a voucher that counts no more for nothing", async function () {
    this.timeout(30_000);
    const { hot, payment, channel } = await allot(35, 86_400n);
    const { tower, database } = await leave("grace", channel, hot, { graceMs: 600_000 });
    const { blockNumber } = await revokeSigner(market.anvil.client(market.buyer), { ...payment, signer: hot.address });
    await market.view.whenConfirmed(blockNumber);
    const nonce = await scene.nonceOf(scene.towerKey);
    await tower.look();
    assert.equal(await scene.nonceOf(scene.towerKey), nonce);
    await pass(THAW_SECONDS + 1n);
    await tower.look();
    assert.equal(await scene.nonceOf(scene.towerKey), nonce);
    assert.deepEqual(await new LevelWatchStore(database).all(), []);
  });

  it("keeps what an ended key signed as long as it counts", async function () {
    this.timeout(30_000);
    const { hot, payment, channel } = await allot(36, 86_400n);
    const { blockNumber } = await revokeSigner(market.anvil.client(market.buyer), { ...payment, signer: hot.address });
    await market.view.whenConfirmed(blockNumber);
    const { tower, total } = await leave("late", channel, hot);
    assert.equal(await collected(channel), total);
    const { vouchers } = await market.openStore("node-too-late");
    const next = await scene.holdVoucher(vouchers, channel, OPEN, 1n, hot);
    await pass(THAW_SECONDS + 1n);
    const { refused } = await tower.keep(market.node.address, { vouchers: [next] });
    assert.deepEqual(
      refused.map(({ code }) => code),
      ["VOUCHER_SIGNER_EXPIRED"],
    );
  });

  it("collects what an allotted key signed that its payer revoked", async function () {
    this.timeout(30_000);
    const { hot, payment, channel } = await allot(31, 86_400n);
    const { tower, total } = await leave("revoked", channel, hot);
    const { blockNumber } = await revokeSigner(market.anvil.client(market.buyer), { ...payment, signer: hot.address });
    await market.view.whenConfirmed(blockNumber);
    await tower.look();
    await pass(THAW_SECONDS + 1n);
    await tower.look();
    assert.equal(await collected(channel), total);
  });

  it("collects what an allotted key signed that ended by itself", async function () {
    this.timeout(30_000);
    const { hot, channel } = await allot(32, 86_400n);
    const { tower, total } = await leave("expired", channel, hot);
    await pass(86_400n);
    await tower.look();
    await pass(THAW_SECONDS + 1n);
    await tower.look();
    assert.equal(await collected(channel), total);
  });
});
