import assert from "node:assert/strict";
import { deposit, reserve, thaw } from "../../../../sdk/client/actions/account.ts";
import { channelId, hubChannel } from "../../../../sdk/protocol/channel.ts";
import type { MoneyMarket } from "../../../support/money-market.ts";
import { openSettlementScene, type SettlementScene } from "../../../support/settlement-scene.ts";

const freeLpt = { token: "LPT", perNative: "0", leastAmount: "0" };

describe("settlement, by what collecting costs", () => {
  let scene: SettlementScene;
  let market: MoneyMarket;
  before(async function () {
    this.timeout(60_000);
    scene = await openSettlementScene();
    ({ market } = scene);
  });
  after(() => scene?.close());
  afterEach(() => scene.stop());

  it("pays the members of a cluster in the transaction that collects from its buyers", async function () {
    this.timeout(30_000);
    const { USDC, LPT } = market.anvil.deployment.tokens;
    const { vouchers: books } = await market.openStore("balancer-for-members");
    const { vouchers: held } = await market.openStore("member");
    const fromBuyer = await scene.putVoucher(market.buyer, market.retail(USDC), 5_000n, { held: books });
    const toNode = await scene.putVoucher(market.balancer, market.wholesale(USDC), 4_000n, { issued: books, held });
    // On another token no buyer's collection is under way: the member's voucher stays where it is.
    await scene.putVoucher(market.balancer, market.wholesale(LPT), 1n, { issued: books });
    const nonce = () => market.publicClient.getTransactionCount({ address: market.node.address });
    const before = await nonce();
    const member = await scene.startSettlement(market.node, held, await scene.startPayee(market.node.address, held), {
      settings: { memberGraceMs: 600_000 },
    });
    const payee = await scene.startPayee(market.account, books);
    const settlement = await scene.startSettlement(market.balancer, books, payee, { membersOf: market.account });
    await settlement.settled(market.buyer.address);
    await member.settled(market.account);
    const [retail, wholesale] = await Promise.all([
      market.view.channelState(market.retail(USDC)),
      market.view.channelState(market.wholesale(USDC)),
    ]);
    assert.equal(retail.collected, fromBuyer);
    assert.equal(wholesale.collected, toNode);
    assert.equal(retail.collectTransaction, wholesale.collectTransaction);
    // The node never sent anything, and has nothing left to send.
    assert.deepEqual(await member.collectNow(), []);
    assert.equal(await nonce(), before);
    assert.equal((await books.collected(channelId(market.wholesale(USDC))))?.collected, toNode);
  });

  it("leaves what is not worth its gas until the payer thaws", async function () {
    this.timeout(30_000);
    const channel = market.wholesale(market.anvil.deployment.tokens.USDC);
    const { vouchers: held } = await market.openStore("node-dear-gas");
    const total = await scene.putVoucher(market.balancer, channel, 100_000n, { held });
    const payee = await scene.startPayee(market.node.address, held);
    // At 0.1 gwei and 3,000 USDC a claim alone costs 0.0186 USDC: more than a tenth of 0.1, less than all of it.
    const tokenCosts = [{ token: "USDC", perNative: "3000", leastAmount: "0" }, freeLpt];
    const settlement = await scene.startSettlement(market.node, held, payee, { settings: { tokenCosts } });
    assert.deepEqual(await settlement.collectDue(), []);
    const thawing = { payee: market.node.address, token: channel.token, amount: 1n, asCluster: market.cluster };
    await thaw(market.anvil.client(market.balancer), thawing);
    await settlement.settled(channel.payer);
    assert.equal((await market.view.channelState(channel)).collected, total);
  });

  it("without a price leaves what is less than the least amount, and collects that", async function () {
    this.timeout(30_000);
    const { USDC } = market.anvil.deployment.tokens;
    const payer = await market.anvil.key(31);
    const channel = hubChannel(payer.address, market.node.address, USDC);
    const own = { payee: channel.payee, token: USDC, amount: 1_000_000n };
    const tokenCosts = [{ token: "USDC", perNative: "0", leastAmount: "0.01" }, freeLpt];
    await market.anvil.mint(USDC, payer.address, own.amount);
    await deposit(market.anvil.client(payer), own);
    const { blockNumber } = await reserve(market.anvil.client(payer), own);
    await market.view.whenConfirmed(blockNumber);
    for (const [open, isCollected] of [
      [9_999n, false],
      [10_000n, true],
    ] as const) {
      const { vouchers: held } = await market.openStore(`node-cent-${open}`);
      const total = await scene.putVoucher(payer, channel, open, { held });
      const payee = await scene.startPayee(market.node.address, held);
      const settlement = await scene.startSettlement(market.node, held, payee, { settings: { tokenCosts } });
      await settlement.collectDue();
      assert.equal((await market.view.channelState(channel)).collected === total, isCollected);
    }
  });

  it("after a bounce sends nothing for crumbs in the payer's pool, and collects what is worth its gas", async function () {
    this.timeout(30_000);
    const { USDC } = market.anvil.deployment.tokens;
    const poor = await market.anvil.key(30);
    const channel = hubChannel(poor.address, market.node.address, USDC);
    const { vouchers: held } = await market.openStore("node-bounced");
    await scene.putVoucher(poor, channel, 10n ** 9n, { held });
    // A claim costs 0.0186 USDC.
    const tokenCosts = [{ token: "USDC", perNative: "3000", leastAmount: "0" }, freeLpt];
    const fill = async (amount: bigint) => {
      await market.anvil.mint(USDC, poor.address, amount);
      const { blockNumber } = await deposit(market.anvil.client(poor), { token: USDC, amount });
      await market.view.whenConfirmed(blockNumber);
    };
    await fill(1_000n);
    // Another that thaws brings its own gas, but not that of both: it is collected alone.
    const rich = market.wholesale(USDC);
    const total = await scene.putVoucher(market.balancer, rich, 20_000n, { held });
    const thawing = { payee: market.node.address, token: USDC, amount: 1n, asCluster: market.cluster };
    const { blockNumber } = await thaw(market.anvil.client(market.balancer), thawing);
    await market.view.whenConfirmed(blockNumber);
    const payee = await scene.startPayee(market.node.address, held);
    const settlement = await scene.startSettlement(market.node, held, payee, { settings: { tokenCosts } });
    await settlement.collectDue();
    assert.deepEqual(
      [(await market.view.channelState(rich)).collected, (await market.view.channelState(channel)).collected],
      [total, 0n],
    );
    assert.deepEqual(await settlement.collectDue(), []);
    await fill(20_000n);
    assert.equal((await settlement.collectDue()).length, 1);
    assert.equal((await market.view.channelState(channel)).collected, 21_000n);
  });
});
