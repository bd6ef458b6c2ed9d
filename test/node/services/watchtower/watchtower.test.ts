import assert from "node:assert/strict";
import { collectCall } from "../../../../node/chain/contracts.ts";
import { gasOf } from "../../../../node/chain/gas.ts";
import { systemClock } from "../../../../node/kernel/clock.ts";
import type { NodeKey } from "../../../../node/kernel/keys.ts";
import { nativeStatements } from "../../../../node/kernel/secp.ts";
import type { VoucherStore } from "../../../../node/metering/voucher-store.ts";
import { PayeeService, payeeOptions } from "../../../../node/services/payment/payee-service.ts";
import { VoucherSigners } from "../../../../node/services/payment/voucher-signers.ts";
import { settlementOptions } from "../../../../node/services/settlement/options.ts";
import { SettlementService } from "../../../../node/services/settlement/settlement-service.ts";
import { TokenValues } from "../../../../node/services/settlement/token-values.ts";
import { type WatchtowerOptions, watchtowerOptions } from "../../../../node/services/watchtower/options.ts";
import { VoucherLeaver } from "../../../../node/services/watchtower/voucher-leaver.ts";
import {
  type WatchtowerComponents,
  WatchtowerService,
} from "../../../../node/services/watchtower/watchtower-service.ts";
import type { Database } from "../../../../node/store/database.ts";
import { toText } from "../../../../node/store/json.ts";
import { LevelWatchStore, type WatchedVoucher } from "../../../../node/store/watched-vouchers.ts";
import { handleWatch } from "../../../../node/wire/watch/watch.ts";
import { silentLogger } from "../../../../sdk/base/logger.ts";
import { silentMetrics } from "../../../../sdk/base/metrics.ts";
import { cancelThaw, deposit, thaw } from "../../../../sdk/client/actions/account.ts";
import { write } from "../../../../sdk/client/transaction.ts";
import { paymentEscrowAbi } from "../../../../sdk/protocol/abi/payment-escrow.ts";
import { type Channel, channelId, hubChannel } from "../../../../sdk/protocol/channel.ts";
import { MAX_WATCHED_OF_PAYEE } from "../../../../sdk/protocol/limits.ts";
import { voucherStructure } from "../../../../sdk/protocol/signed.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { type MoneyMarket, openMarket, randomHash } from "../../../support/money-market.ts";
import { WireHosts } from "../../../support/wire-hosts.ts";

const quiet = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };

describe("watchtower", () => {
  let market: MoneyMarket;
  let towerKey: NodeKey;
  const hosts = new WireHosts();
  const parts: { stop(): Promise<void> }[] = [];
  const stopParts = async () => {
    for (const part of parts.splice(0).reverse()) await part.stop();
  };
  before(async function () {
    this.timeout(60_000);
    market = await openMarket({ USDC: 10n ** 9n, LPT: 10n ** 21n });
    towerKey = await market.anvil.key(20);
  });
  after(() => market?.close());
  afterEach(async () => {
    await stopParts();
    await hosts.stopAll();
  });

  /** `least`: whole tokens below which the tower saves nothing. */
  const tokens = (least = "0") =>
    TokenValues.read({
      costs: ["USDC", "LPT"].map((token) => ({ token, perNative: "0", leastAmount: least })),
      tokens: market.anvil.deployment.tokens,
      decimalsOf: (token) => market.view.decimalsOf(token),
    });
  async function startTower(
    database: Database,
    settings: Partial<WatchtowerOptions> = {},
    least = "0",
    issued?: WatchtowerComponents["issued"],
  ) {
    const options = defaultsOf(watchtowerOptions, { graceMs: 0, lookEveryMs: 200, serve: "anybody", ...settings });
    const { view, domain } = market;
    const signers = new VoucherSigners({ statements: nativeStatements, domain, chain: view, clock: systemClock });
    const host = hosts.create({}, towerKey);
    const dropped = Promise.withResolvers<void>();
    class WatchedStore extends LevelWatchStore {
      override async remove(...watched: readonly WatchedVoucher[]): Promise<void> {
        await super.remove(...watched);
        dropped.resolve();
      }
    }
    const tower = new WatchtowerService(
      {
        ...quiet,
        store: new WatchedStore(database),
        chain: view,
        thawEndsAt: (channel) => view.reader.thawEndsAt(channel),
        checkSigner: (voucher) => signers.check(voucher),
        serves: () => options.serve === "anybody",
        sender: await market.sender(towerKey),
        gas: gasOf(market.publicClient),
        tokens: await tokens(least),
        deployment: market.anvil.deployment,
        ...(issued === undefined ? {} : { issued }),
      },
      options,
    );
    handleWatch(host, (from, request) => tower.keep(from, request), { logger: silentLogger, scores: host.scores });
    await host.start();
    parts.push(tower);
    await tower.start();
    return {
      tower,
      host,
      dropped: dropped.promise,
      contact: { address: towerKey.address, multiaddrs: host.multiaddrs() },
    };
  }
  /** A payee with a voucher for so many base units beyond what the chain paid. */
  async function holdVoucher(
    vouchers: VoucherStore,
    channel: Channel,
    open: bigint,
    seq = 1n,
    signer = market.balancer,
  ) {
    const cumulative = (await market.view.channelState(channel)).collected + open;
    const value = { ...channel, cumulative, seq, usageRoot: randomHash() };
    const voucher = { value, signature: await signer.signer.sign(voucherStructure, market.domain, value) };
    const rest = { receiptsRoot: randomHash(), receiptHashes: [], acknowledged: true };
    await vouchers.put("held", {
      record: { channel: channelId(channel), voucher, ...rest },
      expectedSeq: seq - 1n,
      covered: [],
    });
    return voucher;
  }
  const thawOne = (channel: Channel) =>
    thaw(market.anvil.client(market.balancer), {
      payee: channel.payee,
      token: channel.token,
      amount: 1n,
      asCluster: market.cluster,
    });
  const stopThaw = ({ payee, token }: Channel) =>
    cancelThaw(market.anvil.client(market.balancer), { payee, token, asCluster: market.cluster });
  const nonceOf = (key: NodeKey) => market.publicClient.getTransactionCount({ address: key.address });
  const whenCollected = (channel: Channel, total: bigint) =>
    new Promise<void>((resolve) => {
      const leave = market.view.onEvent(({ eventName, args }) => {
        if (eventName !== "Collected" || args.channel !== channelId(channel) || args.collected !== total) return;
        leave();
        resolve();
      });
    });

  it("collects for a payee that is away when a thaw starts, and the payee pays no gas when it comes back", async function () {
    this.timeout(30_000);
    const channel = market.wholesale(market.anvil.deployment.tokens.USDC);
    const { database } = await market.openStore("tower");
    const { vouchers } = await market.openStore("node-away");
    const { tower, contact } = await startTower(database);
    const voucher = await holdVoucher(vouchers, channel, 700n);
    const host = hosts.create({}, market.node);
    await host.start();
    const leaver = new VoucherLeaver(
      { ...quiet, host, vouchers },
      defaultsOf(watchtowerOptions, { towers: [contact] }),
    );
    await leaver.leave();
    // The payee goes away for good; the tower is killed and comes back with what is on its disk.
    await leaver.stop();
    await host.stop();
    await tower.stop();
    await hosts.stopAll();
    const nonce = await nonceOf(market.node);
    await startTower(database);
    const collected = whenCollected(channel, voucher.value.cumulative);
    await thawOne(channel);
    await collected;
    await stopParts();
    const payee = new PayeeService(
      {
        ...quiet,
        statements: nativeStatements,
        vouchers,
        domain: market.domain,
        chain: market.view,
        payee: market.node.address,
      },
      defaultsOf(payeeOptions),
    );
    const settlement = new SettlementService(
      {
        ...quiet,
        vouchers,
        payee,
        chain: market.view,
        sender: await market.sender(market.node),
        deployment: market.anvil.deployment,
        gas: gasOf(market.publicClient),
        tokens: await tokens(),
      },
      defaultsOf(settlementOptions),
    );
    parts.push(payee, settlement);
    await payee.start();
    await settlement.start();
    await settlement.settled(channel.payer);
    assert.deepEqual(await settlement.collectNow(), []);
    assert.equal(await nonceOf(market.node), nonce);
    const day = Math.floor(Date.now() / 86_400_000);
    assert.ok((await new LevelWatchStore(database).spent(day)) > 0n);
    await stopThaw(channel);
  });

  it("collects when it hears of the voucher only while the thaw runs, and stays within its gas", async function () {
    this.timeout(30_000);
    const channel = market.wholesale(market.anvil.deployment.tokens.LPT);
    const { database } = await market.openStore("tower-poor");
    const { vouchers } = await market.openStore("node-late");
    const voucher = await holdVoucher(vouchers, channel, 10n ** 18n);
    await thawOne(channel);
    const nonce = await nonceOf(towerKey);
    const { tower: poor } = await startTower(database, { gasBudget: "0" });
    await market.view.whenConfirmed(await market.publicClient.getBlockNumber());
    assert.equal((await poor.keep(market.node.address, { vouchers: [voucher] })).kept.length, 1);
    await poor.look();
    assert.equal(await nonceOf(towerKey), nonce);
    await stopParts();
    await hosts.stopAll();
    const collected = whenCollected(channel, voucher.value.cumulative);
    await startTower(database);
    await collected;
    await stopThaw(channel);
  });

  it("keeps only what proves itself, of the payee itself, and only rising totals", async function () {
    this.timeout(30_000);
    const channel = market.wholesale(market.anvil.deployment.tokens.USDC);
    const { database } = await market.openStore("tower-strict");
    const { vouchers } = await market.openStore("node-strict");
    const { tower } = await startTower(database);
    const from = market.node.address;
    const keep = async (...list: Parameters<typeof tower.keep>[1]["vouchers"]) => {
      const { kept, refused } = await tower.keep(from, { vouchers: list });
      return [...kept.map(({ cumulative }) => cumulative), ...refused.map(({ code }) => code)];
    };
    const first = await holdVoucher(vouchers, channel, 100n);
    const forged = await holdVoucher(vouchers, channel, 300n, 2n, market.node);
    const next = await holdVoucher(vouchers, channel, 200n, 3n);
    assert.deepEqual(await keep(forged), ["VOUCHER_SIGNER_WRONG"]);
    assert.deepEqual(await keep(first, next), [first.value.cumulative, next.value.cumulative]);
    assert.deepEqual(await keep(next, first), [next.value.cumulative, "WATCH_VOUCHER_STALE"]);
    const other = await tower.keep(market.buyer.address, { vouchers: [next] });
    assert.deepEqual(
      other.refused.map(({ code }) => code),
      ["WATCH_PAYEE_WRONG"],
    );
    const unbacked = { ...channel, cluster: 1n, clusterPpm: 5 };
    assert.deepEqual(await keep(await holdVoucher(vouchers, unbacked, 5n)), ["WATCH_NOTHING_OPEN"]);
    // A cluster's balancer speaks for its account.
    const retail = await holdVoucher(vouchers, market.retail(channel.token), 9n, 1n, market.buyer);
    const own = await tower.keep(market.balancer.address, { vouchers: [retail] });
    assert.deepEqual(
      own.kept.map(({ cumulative }) => cumulative),
      [retail.value.cumulative],
    );
    await stopParts();
    await hosts.stopAll();
    const { tower: picky } = await startTower(database, { serve: "cluster" });
    const refused = await picky.keep(from, { vouchers: [next] });
    assert.deepEqual(
      refused.refused.map(({ code }) => code),
      ["WATCH_PAYEE_NOT_SERVED"],
    );
  });

  /** The buyer promises so much on a channel, and starts to take one base unit of it back. */
  async function promiseAndThaw({ payee, token, cluster, clusterPpm }: Channel, amount: bigint) {
    const client = market.anvil.client(market.buyer);
    const escrow = { address: market.anvil.deployment.escrow, abi: paymentEscrowAbi };
    const args = [0n, payee, token, cluster, clusterPpm] as const;
    await write(client, { ...escrow, functionName: "reserve", args: [...args, amount] });
    return write(client, { ...escrow, functionName: "thaw", args: [...args, 1n] });
  }
  const stopThawOfBuyer = ({ payee, token }: Channel) =>
    cancelThaw(market.anvil.client(market.buyer), { payee, token });
  async function giveBuyer(token: Channel["token"], amount: bigint) {
    await market.anvil.mint(token, market.buyer.address, amount);
    await deposit(market.anvil.client(market.buyer), { token, amount });
  }

  it("saves a payee however many channels that bring nothing were left before it", async function () {
    this.timeout(60_000);
    const { USDC } = market.anvil.deployment.tokens;
    const { database } = await market.openStore("tower-crowded");
    const { vouchers } = await market.openStore("node-crowded");
    await giveBuyer(USDC, 1_000n);
    const idle: Awaited<ReturnType<typeof holdVoucher>>[] = [];
    let last = { blockNumber: 0n };
    for (let share = 1; share <= 55; share += 1) {
      // A share that the node never accepted: the escrow pays nothing of it, ever.
      const channel = {
        ...hubChannel(market.buyer.address, market.node.address, USDC),
        cluster: market.cluster,
        clusterPpm: share,
      };
      last = await promiseAndThaw(channel, 10n);
      idle.push(await holdVoucher(vouchers, channel, 10n, 1n, market.buyer));
    }
    await market.view.whenConfirmed(last.blockNumber);
    const { tower } = await startTower(database, { lookEveryMs: 600_000 });
    assert.equal((await tower.keep(market.node.address, { vouchers: idle })).kept.length, 55);
    const channel = market.wholesale(USDC);
    const voucher = await holdVoucher(vouchers, channel, 700n);
    await tower.keep(market.node.address, { vouchers: [voucher] });
    const { blockNumber } = await thawOne(channel);
    await market.view.whenConfirmed(blockNumber);
    const nonce = await nonceOf(towerKey);
    await tower.look();
    assert.equal((await market.view.channelState(channel)).collected, voucher.value.cumulative);
    // One transaction, and none for what brings nothing.
    await tower.look();
    assert.equal(await nonceOf(towerKey), nonce + 1);
    await stopThaw(channel);
  });

  it("spends no gas on a total that its channel does not hold, and once on what it does", async function () {
    this.timeout(30_000);
    const { USDC } = market.anvil.deployment.tokens;
    const { database } = await market.openStore("tower-huge");
    const { vouchers } = await market.openStore("node-huge");
    const channel = hubChannel(market.buyer.address, market.node.address, USDC);
    await giveBuyer(USDC, 2_000n);
    const poor = await promiseAndThaw(channel, 2n);
    await market.view.whenConfirmed(poor.blockNumber);
    const { tower } = await startTower(database, { lookEveryMs: 600_000 }, "0.001");
    const huge = await holdVoucher(vouchers, channel, 10n ** 30n, 1n, market.buyer);
    await tower.keep(market.node.address, { vouchers: [huge] });
    const nonce = await nonceOf(towerKey);
    await tower.look();
    assert.equal(await nonceOf(towerKey), nonce);
    const rich = await promiseAndThaw(channel, 1_000n);
    await market.view.whenConfirmed(rich.blockNumber);
    await tower.look();
    await tower.look();
    assert.equal(await nonceOf(towerKey), nonce + 1);
    assert.ok((await market.view.channelState(channel)).collected >= 1_002n);
  });

  it("has room again for what was collected, heard of or not", async function () {
    this.timeout(20_000);
    const { USDC } = market.anvil.deployment.tokens;
    const { database } = await market.openStore("tower-full");
    const { vouchers } = await market.openStore("node-full");
    const store = new LevelWatchStore(database);
    const paid = hubChannel(market.buyer.address, market.node.address, USDC);
    await giveBuyer(USDC, 500n);
    await promiseAndThaw(paid, 400n);
    await market.view.whenConfirmed((await stopThawOfBuyer(paid)).blockNumber);
    const collect = async (voucher: Awaited<ReturnType<typeof holdVoucher>>) => {
      const sender = await market.sender(market.node);
      const collectables = [{ voucher, payerCluster: 0n, payeeCluster: 0n }];
      const { blockNumber } = await sender.send(collectCall(market.anvil.deployment, collectables));
      await market.view.whenConfirmed(blockNumber);
    };
    const first = await holdVoucher(vouchers, paid, 5n, 1n, market.buyer);
    const { tower, dropped: firstDropped } = await startTower(database, { lookEveryMs: 600_000 });
    await tower.keep(market.node.address, { vouchers: [first] });
    assert.equal((await store.all()).length, 1);
    await collect(first);
    await firstDropped;
    assert.deepEqual(await store.all(), []);

    // Places that it hears of no more: their names are not those of the channel that is paid.
    const second = await holdVoucher(vouchers, paid, 5n, 2n, market.buyer);
    await database.change(async (changes) => {
      for (let at = 0; at < MAX_WATCHED_OF_PAYEE; at += 1) {
        changes.put(`watch/voucher/${market.node.address}/${randomHash()}`, toText(second));
      }
    });
    await stopParts();
    await hosts.stopAll();
    const { tower: full } = await startTower(database, { lookEveryMs: 600_000 });
    await collect(second);
    const third = await holdVoucher(vouchers, paid, 5n, 3n, market.buyer);
    assert.deepEqual((await full.keep(market.node.address, { vouchers: [third] })).refused, []);
    assert.equal((await store.all()).length, 1);

    // Collected while the tower is away.
    await stopParts();
    await hosts.stopAll();
    await collect(third);
    const { dropped } = await startTower(database, { lookEveryMs: 600_000 });
    await dropped;
    assert.deepEqual(await store.all(), []);
  });

  it("collects what a balancer issued to its members, who left it nowhere", async function () {
    this.timeout(30_000);
    const channel = market.wholesale(market.anvil.deployment.tokens.LPT);
    const { database } = await market.openStore("tower-of-balancer");
    const { vouchers } = await market.openStore("node-of-balancer");
    const voucher = await holdVoucher(vouchers, channel, 900n);
    await startTower(database, {}, "0", async () => [voucher]);
    const collected = whenCollected(channel, voucher.value.cumulative);
    await thawOne(channel);
    await collected;
    assert.deepEqual(await new LevelWatchStore(database).all(), []);
    await stopThaw(channel);
  });
});
