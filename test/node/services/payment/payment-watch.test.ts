import assert from "node:assert/strict";
import { Value } from "typebox/value";
import type { StatusSide } from "../../../../node/app/payment-status.ts";
import { httpOptions } from "../../../../node/http/options.ts";
import { addPaymentRoutes, type Payments, paymentsSchema } from "../../../../node/http/rest/payments.ts";
import { createServer } from "../../../../node/http/server.ts";
import { createMetrics } from "../../../../node/kernel/metrics.ts";
import { PaymentWatch } from "../../../../node/services/payment/payment-watch.ts";
import type { Logger } from "../../../../sdk/base/logger.ts";
import { silentLogger } from "../../../../sdk/base/logger.ts";
import { silentMetrics } from "../../../../sdk/base/metrics.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { second, token, usePayments } from "../../../support/payment-pair.ts";

describe("payment watch", () => {
  const { on, openPair, workOf } = usePayments();

  async function openWatch(pool: bigint) {
    const pair = await openPair();
    const warned: Record<string, unknown>[] = [];
    const logger: Logger = { ...silentLogger, warn: (_phrase, facts) => warned.push(facts ?? {}) };
    const metrics = createMetrics({ processMetrics: false });
    const watch = new PaymentWatch(
      {
        sides: [
          { side: "payee", status: () => pair.payee.status() },
          { side: "payer", status: () => pair.payer.status() },
        ],
        pool: async () => pool,
        tokens: { USDC: token },
        clock: on.clock,
        logger,
        metrics,
      },
      { lookEveryMs: 10_000, warnBelowMs: 3_600_000 },
    );
    return { ...pair, watch, warned, metrics };
  }

  it("measures how long each payer's money lasts, and warns once before it ends and once when it has", async () => {
    const { payee, payer, job, watch, warned, metrics } = await openWatch(7_200n);
    const low: string[] = [];
    watch.onLow(({ side, runwayState }) => low.push(`${side} ${runwayState}`));
    on.chain.set(on.channel, { reserve: 4_000n });
    for (let seq = 0n; seq < 30n; seq += 1n) {
      const work = workOf(job, seq, 2n * second);
      await payee.earned(work);
      await payer.owe(work);
      await payer.passed(work);
      await on.clock.advance(2_000);
    }
    await payer.settleNow(on.channel);
    await watch.look();
    const { channels, totals } = await watch.report();
    const [asPayee, asPayer] = channels;
    // A second's work costs one base unit: 4,000 less the 60 that are vouchered.
    assert.deepEqual([asPayee!.exactPerSecond, asPayee!.runwaySeconds, asPayee!.runwayState], [second, 3_940n, "ok"]);
    assert.deepEqual([asPayer!.side, asPayer!.pool, asPayer!.canLoseExact], ["payer", 7_200n, 4n * second]);
    // The pool is worth something to its owner alone.
    assert.deepEqual(
      totals.map(({ side, runwaySeconds }) => [side, runwaySeconds]),
      [
        ["payee", 3_940n],
        ["payer", 11_140n],
      ],
    );
    assert.deepEqual([low, warned], [[], []]);
    on.chain.set(on.channel, { reserve: 660n });
    await on.clock.advance(1_000);
    await watch.look();
    await watch.look();
    // Both sides are told, once.
    assert.deepEqual(low, ["payee low", "payer low"]);
    assert.equal(warned.length, 2);
    assert.deepEqual([warned[0]!.side, warned[0]!.channel, warned[0]!.reserve], ["payee", asPayee!.channelId, 660n]);
    const text = await metrics.render();
    assert.match(text, /^leat_payment_low_channels 2$/m);
    assert.match(text, /^leat_payment_reserve_tokens\{side="payee",token="USDC"\} 0\.00066$/m);
    assert.ok(!text.includes(on.channel.payee));
    on.chain.set(on.channel, { reserve: 60n });
    await on.clock.advance(1_000);
    assert.equal((await watch.report()).channels[0]!.runwayState, "dry");
    await watch.look();
    on.chain.set(on.channel, { reserve: 660n });
    await on.clock.advance(1_000);
    await watch.look();
    on.chain.set(on.channel, { reserve: 60n });
    await on.clock.advance(1_000);
    await watch.look();
    assert.deepEqual(low, ["payee low", "payer low", "payee dry", "payer dry"]);
  });

  it("says from the first receipts on what a payer that knows no job can lose, and nothing when it is over", async () => {
    const { payee, payer, job } = await openPair();
    on.chain.set(on.channel, { reserve: 4_000n });
    const work = async (seq: bigint) => {
      const one = workOf(job, seq, 2n * second);
      await payee.earned(one);
      await payer.owe(one);
      await payer.passed(one);
      await on.clock.advance(2_000);
    };
    const canLose = async () => (await payer.status())[0]!.canLoseExact;
    // What was paid ahead is worked off first.
    for (let seq = 0n; seq < 5n; seq += 1n) await work(seq);
    assert.equal(await canLose(), 4n * second);
    await on.clock.advance(600_000);
    assert.equal(await canLose(), 0n);
    for (let seq = 5n; seq < 10n; seq += 1n) await work(seq);
    assert.equal(await canLose(), 4n * second);
  });

  it("reads the pool of a payer once, and again while it spends or owes", async () => {
    const { payee, payer, job } = await openPair();
    let reads = 0;
    const pool = async () => {
      reads += 1;
      return 5n;
    };
    const asPayee = { side: "payee" as const, status: () => payee.status() };
    const quiet = { clock: on.clock, logger: silentLogger, metrics: silentMetrics };
    const open = (side: StatusSide = asPayee) =>
      new PaymentWatch(
        { sides: [side], pool, tokens: { USDC: token }, ...quiet },
        { lookEveryMs: 10_000, warnBelowMs: 0 },
      );
    const readsOfTwo = async (watch: PaymentWatch) => {
      const before = reads;
      await watch.look();
      await watch.look();
      return reads - before;
    };
    const watch = open();
    assert.equal(await readsOfTwo(watch), 2);
    await payee.closeJob(job, 1, { forfeit: false });
    await on.clock.advance(3_600_000);
    assert.equal(await readsOfTwo(watch), 0);
    const fresh = open();
    assert.equal(await readsOfTwo(fresh), 1);
    const [channel] = (await fresh.report()).channels;
    assert.deepEqual([channel!.runwayState, channel!.pool], ["idle", 5n]);
    // Our own money is always looked at.
    assert.equal(await readsOfTwo(open({ side: "payer", status: () => payer.status() })), 2);
  });

  it("answers by its schema", async () => {
    const { watch } = await openWatch(5n);
    await watch.look();
    const app = await createServer(defaultsOf(httpOptions), { logger: silentLogger, metrics: silentMetrics });
    addPaymentRoutes(app, () => watch.report());
    const answer = await app.inject({ url: "/v1/payments" });
    await app.close();
    const body = answer.json() as Payments;
    assert.ok(Value.Check(paymentsSchema, body), JSON.stringify([...Value.Errors(paymentsSchema, body)]));
    const [channel] = body.channels;
    assert.deepEqual(
      [channel!.side, channel!.payer, channel!.vouchered, channel!.pool, channel!.collectTransaction],
      ["payee", on.channel.payer, "10", "5", null],
    );
    assert.deepEqual(
      body.totals.map(({ channels }) => channels),
      [1, 1],
    );
  });
});
