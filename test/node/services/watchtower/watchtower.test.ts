import assert from "node:assert/strict";
import { formatEther, parseEther } from "viem";
import { collectCall } from "../../../../node/chain/contracts.ts";
import { gasOf } from "../../../../node/chain/gas.ts";
import { defaultSenderOptions } from "../../../../node/chain/sender.ts";
import { nativeStatements } from "../../../../node/kernel/secp.ts";
import { PayeeService, payeeOptions } from "../../../../node/services/payment/payee-service.ts";
import { settlementOptions } from "../../../../node/services/settlement/options.ts";
import { SettlementService } from "../../../../node/services/settlement/settlement-service.ts";
import { watchtowerOptions } from "../../../../node/services/watchtower/options.ts";
import { VoucherLeaver } from "../../../../node/services/watchtower/voucher-leaver.ts";
import { toText } from "../../../../node/store/json.ts";
import { LevelWatchStore } from "../../../../node/store/watched-vouchers.ts";
import { cancelThaw, deposit, thaw } from "../../../../sdk/client/actions/account.ts";
import { write } from "../../../../sdk/client/transaction.ts";
import { paymentEscrowAbi } from "../../../../sdk/protocol/abi/payment-escrow.ts";
import { type Channel, channelId, hubChannel } from "../../../../sdk/protocol/channel.ts";
import { MAX_WATCHED_OF_PAYEE } from "../../../../sdk/protocol/limits.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { type MoneyMarket, randomHash } from "../../../support/money-market.ts";
import { quiet, TowerScene } from "../../../support/tower-scene.ts";

describe("watchtower", () => {
  let scene: TowerScene;
  let market: MoneyMarket;
  before(async function () {
    this.timeout(60_000);
    scene = await TowerScene.open({ USDC: 10n ** 9n, LPT: 10n ** 21n });
    market = scene.market;
  });
  after(() => market?.close());
  afterEach(() => scene.stopAll());

  const thawOne = (channel: Channel) =>
    thaw(market.anvil.client(market.balancer), {
      payee: channel.payee,
      token: channel.token,
      amount: 1n,
      asCluster: market.cluster,
    });
  const stopThaw = ({ payee, token }: Channel) =>
    cancelThaw(market.anvil.client(market.balancer), { payee, token, asCluster: market.cluster });
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
    const { tower, contact } = await scene.startTower(database);
    const voucher = await scene.holdVoucher(vouchers, channel, 700n);
    const host = scene.hosts.create({}, market.node);
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
    await scene.stopAll();
    const nonce = await scene.nonceOf(market.node);
    const { sender } = await scene.startTower(database);
    const collected = whenCollected(channel, voucher.value.cumulative);
    await thawOne(channel);
    await collected;
    // From the tower's own gas: what collects for the node itself is whole.
    const rescues = { name: "rescues", daily: parseEther("0.01") };
    assert.ok((await sender.gasLeft(rescues)) < rescues.daily);
    assert.equal(await sender.gasLeft(), defaultSenderOptions.limits.dailyBudget);
    await scene.stopAll();
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
        tokens: await scene.tokens(),
      },
      defaultsOf(settlementOptions),
    );
    scene.parts.push(payee, settlement);
    await payee.start();
    await settlement.start();
    await settlement.settled(channel.payer);
    assert.deepEqual(await settlement.collectNow(), []);
    assert.equal(await scene.nonceOf(market.node), nonce);
    await stopThaw(channel);
  });

  it("collects when it hears of the voucher only while the thaw runs, and stays within its gas", async function () {
    this.timeout(30_000);
    const channel = market.wholesale(market.anvil.deployment.tokens.LPT);
    const { database } = await market.openStore("tower-poor");
    const { vouchers } = await market.openStore("node-late");
    const voucher = await scene.holdVoucher(vouchers, channel, 10n ** 18n);
    await thawOne(channel);
    const nonce = await scene.nonceOf(scene.towerKey);
    const { tower: poor } = await scene.startTower(database, { options: { gasBudget: "0" } });
    await market.view.whenConfirmed(await market.publicClient.getBlockNumber());
    assert.equal((await poor.keep(market.node.address, { vouchers: [voucher] })).kept.length, 1);
    await poor.look();
    assert.equal(await scene.nonceOf(scene.towerKey), nonce);
    await scene.stopAll();
    // Enough for what a claim takes among many, and not for the most that this one may come to.
    const gasBudget = formatEther(70_000n * (await market.publicClient.getGasPrice()));
    const { tower: tight } = await scene.startTower(database, { options: { gasBudget, lookEveryMs: 600_000 } });
    await tight.look();
    assert.equal(await scene.nonceOf(scene.towerKey), nonce);
    await scene.stopAll();
    const collected = whenCollected(channel, voucher.value.cumulative);
    await scene.startTower(database);
    await collected;
    await stopThaw(channel);
  });

  it("keeps only what proves itself, of the payee itself, and only rising totals", async function () {
    this.timeout(30_000);
    const channel = market.wholesale(market.anvil.deployment.tokens.USDC);
    const { database } = await market.openStore("tower-strict");
    const { vouchers } = await market.openStore("node-strict");
    const { tower } = await scene.startTower(database);
    const from = market.node.address;
    const keep = async (...list: Parameters<typeof tower.keep>[1]["vouchers"]) => {
      const { kept, refused } = await tower.keep(from, { vouchers: list });
      return [...kept.map(({ cumulative }) => cumulative), ...refused.map(({ code }) => code)];
    };
    const first = await scene.holdVoucher(vouchers, channel, 100n);
    const forged = await scene.holdVoucher(vouchers, channel, 300n, 2n, market.node);
    const next = await scene.holdVoucher(vouchers, channel, 200n, 3n);
    assert.deepEqual(await keep(forged), ["VOUCHER_SIGNER_WRONG"]);
    assert.deepEqual(await keep(first, next), [first.value.cumulative, next.value.cumulative]);
    assert.deepEqual(await keep(next, first), [next.value.cumulative, "WATCH_VOUCHER_STALE"]);
    const other = await tower.keep(market.buyer.address, { vouchers: [next] });
    assert.deepEqual(
      other.refused.map(({ code }) => code),
      ["WATCH_PAYEE_WRONG"],
    );
    const unbacked = { ...channel, cluster: 1n, clusterPpm: 5 };
    assert.deepEqual(await keep(await scene.holdVoucher(vouchers, unbacked, 5n)), ["WATCH_NOTHING_OPEN"]);
    // A cluster's balancer speaks for its account.
    const retail = await scene.holdVoucher(vouchers, market.retail(channel.token), 9n, 1n, market.buyer);
    const own = await tower.keep(market.balancer.address, { vouchers: [retail] });
    assert.deepEqual(
      own.kept.map(({ cumulative }) => cumulative),
      [retail.value.cumulative],
    );
    await scene.stopAll();
    const { tower: picky } = await scene.startTower(database, { options: { serve: "cluster" } });
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
    const idle: Awaited<ReturnType<typeof scene.holdVoucher>>[] = [];
    let last = { blockNumber: 0n };
    for (let share = 1; share <= 55; share += 1) {
      // A share that the node never accepted: the escrow pays nothing of it, ever.
      const channel = {
        ...hubChannel(market.buyer.address, market.node.address, USDC),
        cluster: market.cluster,
        clusterPpm: share,
      };
      last = await promiseAndThaw(channel, 10n);
      idle.push(await scene.holdVoucher(vouchers, channel, 10n, 1n, market.buyer));
    }
    await market.view.whenConfirmed(last.blockNumber);
    const { tower } = await scene.startTower(database, { options: { lookEveryMs: 600_000 } });
    assert.equal((await tower.keep(market.node.address, { vouchers: idle })).kept.length, 55);
    const channel = market.wholesale(USDC);
    const voucher = await scene.holdVoucher(vouchers, channel, 700n);
    await tower.keep(market.node.address, { vouchers: [voucher] });
    const { blockNumber } = await thawOne(channel);
    await market.view.whenConfirmed(blockNumber);
    const nonce = await scene.nonceOf(scene.towerKey);
    await tower.look();
    assert.equal((await market.view.channelState(channel)).collected, voucher.value.cumulative);
    // One transaction, and none for what brings nothing.
    await tower.look();
    assert.equal(await scene.nonceOf(scene.towerKey), nonce + 1);
    await stopThaw(channel);
  });

  /** The payee does it itself. */
  async function collect(voucher: Awaited<ReturnType<typeof scene.holdVoucher>>) {
    const sender = await market.sender(market.node);
    const collectables = [{ voucher, payerCluster: 0n, payeeCluster: 0n }];
    const { blockNumber } = await sender.send(collectCall(market.anvil.deployment, collectables));
    await market.view.whenConfirmed(blockNumber);
  }

  it("spends no gas on a total that its channel does not hold, and once on what it does", async function () {
    this.timeout(30_000);
    const { USDC } = market.anvil.deployment.tokens;
    const { database } = await market.openStore("tower-huge");
    const { vouchers } = await market.openStore("node-huge");
    const channel = hubChannel(market.buyer.address, market.node.address, USDC);
    await giveBuyer(USDC, 2_000n);
    const poor = await promiseAndThaw(channel, 999n);
    await market.view.whenConfirmed(poor.blockNumber);
    const { tower } = await scene.startTower(database, { options: { lookEveryMs: 600_000 }, least: "0.001" });
    const paid = await scene.holdVoucher(vouchers, channel, 998n, 1n, market.buyer);
    const huge = await scene.holdVoucher(vouchers, channel, 10n ** 30n, 2n, market.buyer);
    const keep = () => tower.keep(market.node.address, { vouchers: [huge] });
    assert.deepEqual(
      (await keep()).refused.map(({ code }) => code),
      ["WATCH_TOO_LITTLE"],
    );
    await market.view.whenConfirmed((await promiseAndThaw(channel, 1n)).blockNumber);
    assert.deepEqual((await keep()).refused, []);
    await collect(paid);
    const nonce = await scene.nonceOf(scene.towerKey);
    await tower.look();
    assert.equal(await scene.nonceOf(scene.towerKey), nonce);
    const rich = await promiseAndThaw(channel, 1_000n);
    await market.view.whenConfirmed(rich.blockNumber);
    await tower.look();
    await tower.look();
    assert.equal(await scene.nonceOf(scene.towerKey), nonce + 1);
    assert.ok((await market.view.channelState(channel)).collected >= 2_000n);
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
    const first = await scene.holdVoucher(vouchers, paid, 5n, 1n, market.buyer);
    const { tower, dropped: firstDropped } = await scene.startTower(database, { options: { lookEveryMs: 600_000 } });
    await tower.keep(market.node.address, { vouchers: [first] });
    assert.equal((await store.all()).length, 1);
    await collect(first);
    await firstDropped;
    assert.deepEqual(await store.all(), []);

    // Places that it hears of no more: their names are not those of the channel that is paid.
    const second = await scene.holdVoucher(vouchers, paid, 5n, 2n, market.buyer);
    await database.change(async (changes) => {
      for (let at = 0; at < MAX_WATCHED_OF_PAYEE; at += 1) {
        // An older program left the first one.
        const kept = at === 0 ? second : { voucher: second, signer: market.buyer.address };
        changes.put(`watch/voucher/${market.node.address}/${randomHash()}`, toText(kept));
      }
    });
    await scene.stopAll();
    const { tower: full } = await scene.startTower(database, { options: { lookEveryMs: 600_000 } });
    // What it looks at after a start is over.
    await full.look();
    await collect(second);
    const third = await scene.holdVoucher(vouchers, paid, 5n, 3n, market.buyer);
    assert.deepEqual((await full.keep(market.node.address, { vouchers: [third] })).refused, []);
    assert.equal((await store.all()).length, 1);

    // Collected while the tower is away.
    await scene.stopAll();
    await collect(third);
    const { dropped } = await scene.startTower(database, { options: { lookEveryMs: 600_000 } });
    await dropped;
    assert.deepEqual(await store.all(), []);
  });

  it("holds up neither looks nor other payees while it judges what one leaves, and takes one call of each", async function () {
    this.timeout(30_000);
    const { USDC, LPT } = market.anvil.deployment.tokens;
    const { database } = await market.openStore("tower-slow");
    const { vouchers } = await market.openStore("node-slow");
    const [slow, channel] = [market.wholesale(LPT), market.wholesale(USDC)];
    const gate = Promise.withResolvers<void>();
    const { tower } = await scene.startTower(database, {
      options: { lookEveryMs: 600_000 },
      channelState: async (asked) => {
        if (channelId(asked) === channelId(slow)) await gate.promise;
        return market.view.channelState(asked);
      },
    });
    const node = market.node.address;
    const voucher = await scene.holdVoucher(vouchers, channel, 30n);
    assert.equal((await tower.keep(node, { vouchers: [voucher] })).kept.length, 1);
    const held = await scene.holdVoucher(vouchers, slow, 40n);
    const judged = tower.keep(node, { vouchers: [held] });
    await assert.rejects(tower.keep(node, { vouchers: [held] }), { code: "WATCH_BUSY" });
    const retail = await scene.holdVoucher(vouchers, market.retail(USDC), 9n, 1n, market.buyer);
    assert.equal((await tower.keep(market.balancer.address, { vouchers: [retail] })).kept.length, 1);
    await market.view.whenConfirmed((await thawOne(channel)).blockNumber);
    await tower.look();
    assert.equal((await market.view.channelState(channel)).collected, voucher.value.cumulative);
    gate.resolve();
    assert.equal((await judged).kept.length, 1);
    assert.equal((await tower.keep(node, { vouchers: [held] })).kept.length, 1);
    await stopThaw(channel);
  });

  it("is filled again by its payees after it lost its disk", async function () {
    this.timeout(30_000);
    const channel = market.wholesale(market.anvil.deployment.tokens.USDC);
    const { vouchers } = await market.openStore("node-of-lost");
    const voucher = await scene.holdVoucher(vouchers, channel, 50n);
    const first = await scene.startTower((await market.openStore("tower-before")).database);
    const host = scene.hosts.create({}, market.node);
    await host.start();
    const options = defaultsOf(watchtowerOptions, { towers: [first.contact], leaveEveryMs: 200 });
    const leaver = new VoucherLeaver({ ...quiet, host, vouchers }, options);
    scene.parts.push(leaver);
    await leaver.start();
    assert.equal((await first.stored).channel, channelId(channel));
    await first.tower.stop();
    await first.host.stop();
    const listen = first.contact.multiaddrs.map((one) => one.split("/p2p/")[0]!);
    const second = await scene.startTower((await market.openStore("tower-after")).database, { listen });
    assert.deepEqual((await second.stored).voucher, voucher);
  });

  it("collects what a balancer issued to its members, who left it nowhere", async function () {
    this.timeout(30_000);
    const channel = market.wholesale(market.anvil.deployment.tokens.LPT);
    const { database } = await market.openStore("tower-of-balancer");
    const { vouchers } = await market.openStore("node-of-balancer");
    const voucher = await scene.holdVoucher(vouchers, channel, 900n);
    await scene.startTower(database, { issued: async () => [voucher] });
    const collected = whenCollected(channel, voucher.value.cumulative);
    await thawOne(channel);
    await collected;
    assert.deepEqual(await new LevelWatchStore(database).all(), []);
    await stopThaw(channel);
  });
});
