import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { JobStore } from "../../../../node/store/sql/job-store.ts";
import { workOf } from "../../../support/paying-market.ts";
import { usePayingMarket } from "../../../support/paying-scene.ts";

describe("an edge that a probe of its buyer finds lying", function () {
  this.timeout(60_000);
  const scene = usePayingMarket();
  const { open, until, goLive, jobsOf } = scene;

  it("is paid nothing that no voucher covers yet, by the cluster as by the buyer", async () => {
    await open(6);
    const { id, slug } = await goLive(10n ** 12n);
    await scene.market.balancer.play(slug);
    const edgeOf = () => jobsOf(id).find(({ terms }) => terms.spec.primitive === "delivery");
    await until(() => edgeOf() !== undefined);
    const { node, terms } = edgeOf()!;
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
