import assert from "node:assert/strict";
import { JobStore } from "../../../../node/store/sql/job-store.ts";
import type { BalancerRequest } from "../../../../node/wire/session/messages.ts";
import { usePayingMarket } from "../../../support/paying-scene.ts";

describe("reports of a balancer to its buyer", () => {
  const scene = usePayingMarket();
  const { open, until, goLive, jobsOf, work } = scene;

  it("wait for no answer of another job, and come in the order of their own", async function () {
    this.timeout(20_000);
    await open(6);
    const { id } = await goLive();
    const released = Promise.withResolvers<void>();
    const heard: [kind: string, seq: bigint][] = [];
    const answer = scene.buyer.answer.bind(scene.buyer);
    scene.buyer.answer = async (method, body) => {
      if (method === "usage.report") {
        const { kind, receipt } = body as BalancerRequest<"usage.report">;
        if (kind === "ingest") await released.promise;
        heard.push([kind, receipt.value.seq]);
      }
      return answer(method, body);
    };
    const store = new JobStore(scene.database);
    const left = async () => (await store.unreportedOf([scene.buyer.address], 10)).length;
    scene.market.hub.leave(scene.buyer);
    for (const seq of [0, 1]) {
      for (const { node, terms } of jobsOf(id)) await work(node, terms, seq);
      await scene.clock.advance(2_000);
    }
    assert.equal(await left(), 6);
    scene.market.hub.join(scene.buyer);
    try {
      await until(() => heard.length === 4);
      assert.ok(heard.every(([kind]) => kind === "transcode"));
    } finally {
      released.resolve();
    }
    await until(async () => (await left()) === 0);
    const ofIngest = heard.filter(([kind]) => kind === "ingest").map(([, seq]) => seq);
    assert.deepEqual(ofIngest, [0n, 1n]);
  });
});
