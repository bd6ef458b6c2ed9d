import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { JobStore } from "../../../../node/store/sql/job-store.ts";
import { workOf } from "../../../support/paying-market.ts";
import { usePayingMarket } from "../../../support/paying-scene.ts";

describe("an edge that a probe of its buyer finds lying", function () {
  this.timeout(60_000);
  const scene = usePayingMarket();
  const { open, startAgain, until, goLive, jobsOf } = scene;

  const openEdge = async () => {
    await open(6);
    const { id, slug } = await goLive(10n ** 12n);
    await scene.market.balancer.play(slug);
    const edgeOf = () => jobsOf(id).find(({ terms }) => terms.spec.primitive === "delivery");
    await until(() => edgeOf() !== undefined);
    return { id, ...edgeOf()! };
  };

  it("is paid nothing that no voucher covers yet, by the cluster as by the buyer", async () => {
    const { id, node, terms } = await openEdge();
    const one = workOf(node, terms, await node.receipt(terms, 0, {}, 1n));
    const { payer } = scene.books.cluster;
    const statusOf = async () => (await payer.status()).find(({ channel }) => channel.payee === node.address)!;
    const { vouchered } = await payer.settleNow(one.channel);
    const { creditLimitExact, freeExact: free } = await statusOf();
    const times = (creditLimitExact * 9n) / 100n / one.exact;
    const served: Awaited<ReturnType<typeof node.receipt>>[] = [];
    for (let seq = 0; seq < 5; seq += 1) {
      const submit = await node.receipt(terms, seq, {}, times);
      await scene.market.hub.ask(node, "receipt.submit", submit);
      served.push(submit);
    }
    assert.equal((await statusOf()).freeExact, free - 5n * times * one.exact);
    const probe = await scene.buyer.check(served[0]!.receipt.value, 2, 4);
    await scene.market.hub.ask(scene.buyer, "check.submit", probe);
    assert.equal((await payer.settleNow(one.channel)).vouchered, vouchered);
    assert.equal((await statusOf()).freeExact, free);
    // What it sends after that takes nothing from what others may serve.
    const jobStore = new JobStore(scene.database);
    const own = async () => (await jobStore.grantsOf(id)).find(({ endCode }) => endCode === "CHECK_FAILED")!.paid;
    const before = await own();
    await scene.market.hub.ask(node, "receipt.submit", await node.receipt(terms, 5, {}, 10n ** 11n));
    assert.equal(await own(), before);
    assert.equal((await payer.settleNow(one.channel)).vouchered, vouchered);
    const works = served.map((submit) => workOf(node, terms, submit));
    assert.equal((await payer.unpaid(one.channel, works)).length, 5);
  });

  for (const [when, isEnded] of [
    ["its attempt was ended", false],
    ["its pay was taken back", true],
  ] as const) {
    it(`is paid nothing where the balancer was killed after the probe's result and before ${when}`, async () => {
      const { node, terms } = await openEdge();
      const { job, attempt } = terms.assignment.value;
      const { payer } = scene.books.cluster;
      const byte = workOf(node, terms, await node.receipt(terms, 0, {}, 1n));
      const { vouchered } = await payer.settleNow(byte.channel);
      const statusOf = async () => (await payer.status()).find(({ channel }) => channel.payee === node.address)!;
      const { creditLimitExact, freeExact: free } = await statusOf();
      const served = await node.receipt(terms, 0, {}, (creditLimitExact * 9n) / 100n / byte.exact);
      await scene.market.hub.ask(node, "receipt.submit", served);
      assert.ok((await statusOf()).freeExact < free);
      await scene.market.balancer.stop();
      // What it leaves on disk in either case.
      const store = new JobStore(scene.database);
      const { check: statement } = await scene.buyer.check(served.receipt.value, 2, 4);
      const found = { job, attempt, seq: 0, check: 4, checker: scene.buyer.address, verdict: 2, code: null };
      await store.addCheck({ ...found, statement, checkedAtMs: scene.clock.nowMs() });
      const [jobRow, running] = [await store.job(job), await store.attempt(job, attempt)];
      const end = { state: "failed", endedAtMs: scene.clock.nowMs(), endCode: "CHECK_FAILED" } as const;
      if (isEnded) await store.putAttempt({ ...jobRow!, state: "waiting" }, { ...running!, ...end });
      await startAgain();
      assert.equal((await store.attempt(job, attempt))!.endCode, "CHECK_FAILED");
      await until(async () => (await statusOf()).freeExact === free);
      assert.equal((await payer.settleNow(byte.channel)).vouchered, vouchered);
    });
  }

  it("does not get its job back from a viewer who asks while it is dropped", async () => {
    await open(2);
    const { id, slug } = await goLive(10n ** 12n);
    await scene.market.balancer.play(slug);
    const edges = () => jobsOf(id).filter(({ terms }) => terms.spec.primitive === "delivery");
    await until(() => edges().length === 2);
    const { node, terms } = edges()[0]!;
    const served = await node.receipt(terms, 0, {}, 1n);
    await scene.market.hub.ask(node, "receipt.submit", served);
    const probe = await scene.buyer.check(served.receipt.value, 2, 4);
    let isDropped = false;
    const dropping = scene.market.hub.ask(scene.buyer, "check.submit", probe).finally(() => (isDropped = true));
    while (!isDropped) {
      await scene.market.balancer.play(slug);
      await setImmediate();
    }
    await dropping;
    await scene.market.balancer.play(slug);
    const attempts = await new JobStore(scene.database).attemptsOf(terms.assignment.value.job);
    const own = attempts.filter((one) => one.node === node.address);
    assert.deepEqual(
      own.map(({ endCode }) => endCode),
      ["CHECK_FAILED"],
    );
  });
});
