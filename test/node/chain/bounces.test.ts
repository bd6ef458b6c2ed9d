import assert from "node:assert/strict";
import { collectCall } from "../../../node/chain/contracts.ts";
import { describePayer, recomputeScore } from "../../../node/cli/payer-report.ts";
import { httpOptions } from "../../../node/http/options.ts";
import { addPayerRoutes, type PayerReport } from "../../../node/http/rest/payers.ts";
import { createServer } from "../../../node/http/server.ts";
import { systemClock } from "../../../node/kernel/clock.ts";
import { nativeStatements } from "../../../node/kernel/secp.ts";
import { PayeeService, payeeOptions } from "../../../node/services/payment/payee-service.ts";
import { silentLogger } from "../../../sdk/base/logger.ts";
import { silentMetrics } from "../../../sdk/base/metrics.ts";
import { deposit } from "../../../sdk/client/actions/account.ts";
import { channelId } from "../../../sdk/protocol/channel.ts";
import { voucherStructure } from "../../../sdk/protocol/signed.ts";
import { defaultsOf } from "../../support/defaults.ts";
import { type MoneyMarket, openMarket, randomHash } from "../../support/money-market.ts";

const quiet = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };

describe("bounces", () => {
  let market: MoneyMarket;
  before(async function () {
    this.timeout(60_000);
    market = await openMarket({ USDC: 1_000n, LPT: 1_000n });
  });
  after(() => market?.close());

  it("count once for each debt, by the chain, until it is made good; nodes refuse the payer by policy", async function () {
    this.timeout(30_000);
    const { USDC } = market.anvil.deployment.tokens;
    const channel = market.retail(USDC);
    const sender = await market.sender(market.node);
    const claim = async (cumulative: bigint) => {
      const value = { ...channel, cumulative, seq: 1n, usageRoot: randomHash() };
      const voucher = { value, signature: await market.buyer.signer.sign(voucherStructure, market.domain, value) };
      const collectable = { voucher, payerCluster: 0n, payeeCluster: market.cluster };
      const { blockNumber } = await sender.send(collectCall(market.anvil.deployment, [collectable]));
      await market.view.whenConfirmed(blockNumber);
    };
    const payer = market.buyer.address;
    assert.deepEqual(await market.view.bouncesOf(payer), []);
    await claim(1_300n);
    // Whoever presents it again while nothing is there spoils nobody's name further.
    await claim(1_300n);
    await claim(1_400n);
    const bounces = await market.view.bouncesOf(payer);
    assert.deepEqual(
      bounces.map(({ channel: id, missing, total, madeGood }) => [id, missing, total, madeGood]),
      [
        // One debt, whatever totals it is presented with: the largest of them, since the first.
        [channelId(channel), 400n, 1_400n, false],
      ],
    );
    const block = await market.publicClient.getBlock({ blockNumber: bounces[0]!.blockNumber });
    assert.equal(bounces[0]!.atSeconds, block.timestamp);

    const { vouchers } = await market.openStore("strict");
    const payee = (changes: { leastReputation?: number; maxBounces?: number }) =>
      new PayeeService(
        {
          ...quiet,
          vouchers,
          statements: nativeStatements,
          domain: market.domain,
          chain: market.view,
          payee: market.account,
          bouncesOf: (of) => market.view.bouncesOf(of),
        },
        { ...defaultsOf(payeeOptions), ...changes },
      );
    const terms = { job: randomHash(), attempt: 1, channel, exactPerSecond: 1n, segmentMs: 4_000, samplingRate: 1 };
    const open = { ...terms, validUntil: 4_000_000_000n };
    await assert.rejects(payee({ maxBounces: 0 }).openJob(open), { code: "PAYER_REPUTATION_LOW" });
    await assert.rejects(payee({ leastReputation: 0.9 }).openJob(open), { code: "PAYER_REPUTATION_LOW" });
    await assert.rejects(payee({}).openJob(open), { code: "CREDIT_RESERVE_SHORT" });

    const app = await createServer(defaultsOf(httpOptions), { logger: silentLogger, metrics: silentMetrics });
    // Close to the blocks' own time: anvil's clock may run ahead of ours.
    const nowMs = () => Number(block.timestamp) * 1_000;
    addPayerRoutes(app, (of) => market.view.bouncesOf(of), nowMs);
    const ask = async () => (await app.inject({ url: `/v1/payers/${payer}` })).json() as PayerReport;
    const report = await ask();
    assert.deepEqual([report.scorePpm, report.bounces.length], [750_000, 1]);
    assert.equal(recomputeScore(report), 750_000);
    assert.match(describePayer(report), /reputation 75\.00 %[\s\S]*400 base units[\s\S]*the same$/);
    assert.match(describePayer({ ...report, scorePpm: 900_000 }), /does not agree: these bounces make 75\.00 %$/);

    await market.anvil.mint(USDC, payer, 400n);
    await deposit(market.anvil.client(market.buyer), { token: USDC, amount: 400n });
    await claim(1_400n);
    assert.deepEqual(
      (await market.view.bouncesOf(payer)).map(({ madeGood }) => madeGood),
      [true],
    );
    await payee({ maxBounces: 0 }).judgePayer(payer);
    assert.equal((await ask()).scorePpm, 923_076);
    await app.close();
  });
});
