import assert from "node:assert/strict";
import { LevelVoucherStore } from "../../../../node/store/vouchers.ts";
import { randomHash, stream, useBuyerAgent } from "../../../support/buyer-scene.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const dayMs = 24 * 3_600_000;

describe("what a buyer's agent remembers", () => {
  const clock = new ManualClock();
  const { on, call, restart, reportOf, quoteOf, requestOf } = useBuyerAgent(clock);
  const kept = async (prefix: string) => (await on.database.list(prefix)).length;
  const deliveredBy = (job: `0x${string}`, attempt: number) =>
    reportOf({ job, attempt, change: { kind: "delivery", prices: { deliveredByte: 10n ** 24n }, paidUnits: 10n } });

  it("pays no second attempt at a segment that another process paid for", async () => {
    const [first, second] = [await reportOf({ sequence: 1 }), await reportOf({ sequence: 1, attempt: 2 })];
    await call("usage.report", first);
    await call("voucher.request", requestOf([first], 4n));
    await restart();
    await assert.rejects(call("usage.report", second), { code: "USAGE_PAID_TWICE" });
    // The same report again is fine, and worth nothing more.
    await call("usage.report", first);
    await assert.rejects(call("voucher.request", requestOf([first, second], 9n, 2n)), {
      code: "VOUCHER_RECEIPT_UNKNOWN",
    });
  });

  it("pays one of two attempts where one was reported to the process before", async () => {
    const [first, second] = [await reportOf({ sequence: 1 }), await reportOf({ sequence: 1, attempt: 2 })];
    await call("usage.report", first);
    await restart();
    await call("usage.report", second);
    const offer = await call("voucher.request", requestOf([second, first], 9n));
    assert.deepEqual(offer.receiptHashes, requestOf([second], 0n).receiptHashes);
    assert.equal(offer.voucher.value.cumulative, 4n);
    const vouchers = new LevelVoucherStore(on.database);
    const [channel] = await vouchers.channels("issued");
    assert.equal(await vouchers.countOpen("issued", channel!), 1);
  });

  it("fixes which attempt is paid before it signs, however it ends then", async () => {
    const [first, second] = [await reportOf({ sequence: 1 }), await reportOf({ sequence: 1, attempt: 2 })];
    for (const report of [first, second]) await call("usage.report", report);
    on.payer.answerRequest = () => Promise.reject(new Error("killed"));
    await assert.rejects(call("voucher.request", requestOf([first], 4n)), /killed/);
    await restart();
    await assert.rejects(call("voucher.request", requestOf([second], 4n)), { code: "VOUCHER_RECEIPT_UNKNOWN" });
    await assert.rejects(call("usage.report", second), { code: "USAGE_PAID_TWICE" });
    assert.equal((await call("voucher.request", requestOf([first], 4n))).voucher.value.cumulative, 4n);
  });

  it("holds a cluster to the first quote of a stream, and a job to its stream and kind, over restarts", async () => {
    const job = randomHash();
    await call("usage.report", await reportOf({ job, sequence: 1 }));
    await restart();
    const quoted = { pixelH264: 9n * 10n ** 21n };
    const refuse = async (change: Parameters<typeof reportOf>[0], code: string) =>
      assert.rejects(call("usage.report", await reportOf(change)), { code });
    await refuse({ job, sequence: 2, change: { quote: await quoteOf(quoted), quoted } }, "USAGE_QUOTE_CHANGED");
    await refuse({ job, sequence: 2, change: { stream: randomHash() } }, "USAGE_JOB_WRONG");
    const delivery = { kind: "delivery" as const, prices: { deliveredByte: 10n ** 24n }, paidUnits: 10n };
    await refuse({ job, sequence: 1, attempt: 2, change: delivery }, "USAGE_JOB_WRONG");
  });

  it("pays every edge that serves a segment under one job, over restarts", async () => {
    const job = randomHash();
    const [first, second] = [await deliveredBy(job, 1), await deliveredBy(job, 2)];
    await call("usage.report", first);
    await call("voucher.request", requestOf([first], 10n));
    await restart();
    await call("usage.report", second);
    assert.equal((await call("voucher.request", requestOf([second], 20n, 2n))).voucher.value.cumulative, 20n);
  });

  it("holds no attempt open that is over: its job went on, or its stream ended, also over a restart", async () => {
    const [job, edge] = [randomHash(), randomHash()];
    const released: string[] = [];
    const watch = () => {
      const release = on.payer.release.bind(on.payer);
      on.payer.release = (of, attempt) => {
        released.push(`${of === job ? "job" : "edge"} ${attempt}`);
        return release(of, attempt);
      };
    };
    watch();
    await call("usage.report", await reportOf({ job, sequence: 1 }));
    await call("usage.report", await deliveredBy(edge, 1));
    await restart();
    watch();
    await call("usage.report", await reportOf({ job, sequence: 2, attempt: 2 }));
    await call("usage.report", await deliveredBy(edge, 2));
    assert.deepEqual(released, ["job 1"]);
    await call("stream.watch", { stream, slug: "stream-slug", edges: [], passthrough: false });
    assert.deepEqual(released.slice(1).sort(), ["edge 1", "edge 2", "job 2"]);
  });

  it("pays for no more bytes than the budget of the stream's quote, over restarts too", async () => {
    const quoted = { pixelH264: 10n ** 21n, deliveredByte: 10n ** 24n };
    const budget = { quote: await quoteOf(quoted, { maxUnits: 100n }), quoted };
    const served = async (sequence: number, paidUnits: bigint) =>
      reportOf({
        job: edge,
        sequence,
        change: { ...budget, kind: "delivery", prices: { deliveredByte: 10n ** 24n }, paidUnits },
      });
    const edge = randomHash();
    const first = await served(1, 40n);
    // Told again, by a cluster that did not hear the answer, and beside itself.
    await Promise.all([call("usage.report", first), call("usage.report", first)]);
    const refused = { code: "USAGE_BUDGET_SPENT", detail: { code: "USAGE_BUDGET_SPENT", stream, most: 100n } };
    await assert.rejects(call("usage.report", await served(2, 61n)), refused);
    await restart();
    await call("usage.report", first);
    await assert.rejects(call("usage.report", await served(3, 61n)), refused);
    const last = await served(4, 60n);
    await call("usage.report", last);
    assert.equal((await call("voucher.request", requestOf([first, last], 100n))).voucher.value.cumulative, 100n);
    await call("usage.report", last);
    await clock.advance(31 * dayMs);
    await on.agent.forgetIdle();
    assert.equal(await kept("usage/budget/"), 1);
  });

  it("keeps nothing of what is worth nothing", async () => {
    for (const attempt of [1, 2, 3]) {
      await call("usage.report", await reportOf({ job: randomHash(), attempt, change: { paidUnits: 0n } }));
    }
    assert.equal(await kept(""), 0);
  });

  it("takes no more work than it was asked to pay for, and no more jobs than it can remember", async () => {
    on.limits = { mostJobs: 2, mostUnpaid: 3 };
    await restart();
    const reports = [1, 2, 3].map((sequence) => reportOf({ sequence }));
    for (const report of reports) await call("usage.report", await report);
    await assert.rejects(call("usage.report", await reportOf({ sequence: 4 })), { code: "USAGE_UNPAID_TOO_MANY" });
    const offer = await call("voucher.request", requestOf(await Promise.all(reports), 14n));
    await on.payer.acknowledged(offer);
    await call("usage.report", await reportOf({ job: randomHash(), sequence: 4 }));
    const refused = { code: "USAGE_JOBS_TOO_MANY" };
    await assert.rejects(call("usage.report", await reportOf({ job: randomHash(), sequence: 5 })), refused);
    await restart();
    await assert.rejects(call("usage.report", await reportOf({ job: randomHash(), sequence: 5 })), refused);
    await clock.advance(31 * dayMs);
    await on.agent.forgetIdle();
    await call("usage.report", await reportOf({ job: randomHash(), sequence: 5 }));
  });

  it("forgets a job when it is long over and its voucher acknowledged, and not before", async () => {
    const [old, unheard] = [await reportOf({ job: randomHash() }), await reportOf({ job: randomHash() })];
    const [asked, never] = [
      await reportOf({ job: old.job, sequence: 6 }),
      await reportOf({ job: old.job, sequence: 7 }),
    ];
    for (const report of [old, unheard, asked, never]) await call("usage.report", report);
    const first = await call("voucher.request", requestOf([old, asked], 9n));
    await on.payer.acknowledged(first);
    const last = await call("voucher.request", requestOf([unheard], 14n, 2n));
    await clock.advance(29 * dayMs);
    await on.agent.forgetIdle();
    assert.equal(await kept("usage/job/"), 2);
    await clock.advance(2 * dayMs);
    await on.agent.forgetIdle();
    assert.deepEqual([await kept("usage/job/"), await kept("usage/quote/")], [1, 1]);
    assert.deepEqual([await kept("entry/open/"), await kept("entry/done/")], [1, 0]);
    await on.payer.acknowledged(last);
    await on.agent.forgetIdle();
    assert.deepEqual([await kept("usage/"), await kept("entry/")], [0, 0]);
    assert.equal((await on.payer.status())[0]!.vouchered, 14n);
  });
});
