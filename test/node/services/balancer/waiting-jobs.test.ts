import assert from "node:assert/strict";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { TranscodeSpec } from "@leat/sdk/protocol/job.ts";
import { bodyFromText } from "@leat/sdk/selection/receipt.ts";
import { PaymentError } from "../../../../node/services/payment/errors.ts";
import { RemoteError } from "../../../../node/wire/errors.ts";
import { source, useBalancer } from "../../../support/balancer-scene.ts";
import { startMarket } from "../../../support/fake-market.ts";
import { clusterAccount, type FakeNode } from "../../../support/fake-node.ts";

describe("jobs that nobody does, at the balancer", () => {
  const scene = useBalancer();
  const { until, transcoders, ownerOf, edgesOf, goLive, publish, countDecisions } = scene;

  /** A stream whose ingest node may not transcode: only the third node can. */
  async function goLiveAtSecond() {
    const live = await goLive(scene.nodes[1]);
    return { ...live, only: scene.nodes[2] };
  }

  /** Time goes by while the publisher sends. */
  async function pass(stream: Hex, ingest: FakeNode, seconds: number) {
    for (let passed = 0; passed < seconds; passed += 5) {
      const frames = { lastFrameAgeMs: 0, sequence: 1, frames: 60, isOver: false, published: [] };
      await scene.market.hub.ask(ingest, "publish.renew", { stream, ...frames });
      await scene.market.clock.advance(5_000);
    }
  }

  /** The only node is lost for good, and every job of the stream waits after a decision in vain. */
  async function loseOnly({ id, ingest, only }: Awaited<ReturnType<typeof goLiveAtSecond>>) {
    const before = await countDecisions();
    scene.market.hub.leave(only);
    only.jobs.clear();
    await pass(id, ingest, 5);
    await until(async () => (await countDecisions()) === before + 2);
  }

  /** The first pause of a job: as long as nothing else at a balancer. */
  const firstMs = 777;

  async function startSlowly() {
    await scene.market.balancer.stop();
    scene.market = await startMarket(scene.database, { nodes: scene.nodes, options: { placeRetryMs: firstMs } });
    for (const node of scene.nodes) scene.market.hub.join(node);
  }

  /** Waits for each pause of a job before its time passes. */
  async function passPauses(...pausesMs: readonly number[]) {
    const { clock } = scene.market;
    for (const pauseMs of pausesMs) {
      await until(() => clock.isSlept(pauseMs));
      await clock.advance(pauseMs);
    }
  }

  it("go to a node that comes back, at once", async () => {
    const live = await goLiveAtSecond();
    await loseOnly(live);
    const refusals = () => scene.market.balancer.views.refusals(live.id).map(({ part, code }) => `${part} ${code}`);
    await until(() => refusals().length === 2);
    assert.deepEqual(refusals().sort(), ["h264 PLACEMENT_NOBODY", "vp9 PLACEMENT_NOBODY"]);
    scene.market.hub.join(live.only);
    // No time passes any more.
    await until(() => transcoders(live.id).length === 2);
    await until(() => refusals().length === 0);
    assert.deepEqual(
      transcoders(live.id).map(({ assignment }) => assignment.value.attempt),
      [2, 2],
    );
  });

  it("are not decided again and again while nothing changes", async function () {
    this.timeout(20_000);
    const live = await goLiveAtSecond();
    await loseOnly(live);
    const decisions = await countDecisions();
    await pass(live.id, live.ingest, 300);
    assert.equal(await countDecisions(), decisions);
    // Another reason is worth another decision, which says it.
    scene.market.hub.join(live.only);
    scene.market.hub.beat(live.only, 0);
    await pass(live.id, live.ingest, 60);
    await until(async () => (await countDecisions()) === decisions + 2);
    await pass(live.id, live.ingest, 300);
    assert.equal(await countDecisions(), decisions + 2);
    assert.equal(transcoders(live.id).length, 0);
  });

  describe("whose buyer has too little in reserve", () => {
    beforeEach(startSlowly);
    const short = () => new PaymentError({ code: "CREDIT_RESERVE_SHORT", wantedExact: 2n, freeExact: 1n });
    const reserved = () =>
      scene.market.confirm({ eventName: "Reserved", args: { payer: scene.nodes[3].address, payee: clusterAccount } });
    /** Both codecs wait for their buyer; answers how to take its jobs again. */
    async function waitUnfunded(openJob: () => Promise<void>) {
      const live = await goLiveAtSecond();
      await loseOnly(live);
      const before = scene.market.books.payee.openJob;
      Object.assign(scene.market.books.payee, { openJob });
      scene.market.hub.join(live.only);
      return { ...live, take: () => Object.assign(scene.market.books.payee, { openJob: before }) };
    }
    const areUnfunded = (stream: Hex) => {
      const codes = scene.market.balancer.views.refusals(stream).map(({ code }) => code);
      return codes.filter((code) => code === "BUYER_UNFUNDED").length === 2;
    };

    it("wait as others do, and go on at once when the chain says that it has more", async () => {
      const { clock } = scene.market;
      const { id, take } = await waitUnfunded(async () => {
        throw short();
      });
      await passPauses(firstMs, 2 * firstMs, 4 * firstMs);
      await until(() => clock.isSlept(8 * firstMs));
      assert.ok(areUnfunded(id));
      take();
      reserved();
      // No time passes any more.
      await until(() => transcoders(id).length === 2);
    });

    it("go on with the next second also where the chain says so while they are tried", async () => {
      let tries = 0;
      const { id } = await waitUnfunded(async () => {
        tries += 1;
        if (tries > 2) return;
        reserved();
        throw short();
      });
      await until(() => areUnfunded(id));
      await scene.market.clock.advance(firstMs);
      await until(() => transcoders(id).length === 2);
      assert.equal(tries, 4);
    });
  });

  it("go to a node that gets room", async () => {
    const live = await goLiveAtSecond();
    await loseOnly(live);
    live.only.refusals.set("job.reserve", "JOB_CAPACITY_SHORT");
    scene.market.hub.join(live.only);
    await until(() => live.only.told("job.reserve").length >= 4);
    scene.market.hub.beat(live.only, 0);
    live.only.refusals.clear();
    await pass(live.id, live.ingest, 60);
    assert.equal(transcoders(live.id).length, 0);
    scene.market.hub.beat(live.only);
    await scene.market.clock.advance(1_000);
    scene.market.hub.beat(live.only);
    await until(() => transcoders(live.id).length === 2);
  });

  it("go to the node that took the stream in before, once another does", async () => {
    const live = await goLiveAtSecond();
    await loseOnly(live);
    const [other] = scene.nodes;
    await scene.market.clock.advance(3_000);
    await publish(other, live.streamKey);
    await scene.market.hub.ask(other, "source.ready", { stream: live.id, source, partTargetMs: 250 });
    // No time passes any more.
    await until(() => transcoders(live.id).length === 2);
    for (const terms of transcoders(live.id)) assert.equal(terms.assignment.value.node, live.ingest.address);
  });

  /**
   * Fails every rung that runs, so often, while no time passes. Answers how often nodes were given one in all.
   * @param calm How many sleep while no job waits.
   */
  async function failRungs(stream: Hex, times: number, calm: number) {
    const { clock, hub } = scene.market;
    for (let time = 0; time < times; time += 1) {
      for (const terms of transcoders(stream)) {
        const { job, attempt } = terms.assignment.value;
        const node = ownerOf(terms);
        node.jobs.delete(job);
        await hub.ask(node, "job.failed", { job, attempt, code: "TRANSCODING_FAILED", sequence: null });
      }
      // Given again, or waiting.
      await until(() => transcoders(stream).length + (clock.sleeping - calm) === 2);
    }
    return scene.nodes.reduce((sum, node) => sum + node.told("job.assign").length, 0);
  }

  it("do not go to a node that fails them all without a pause", async () => {
    const { id } = await goLiveAtSecond();
    const calm = scene.market.clock.sleeping;
    assert.equal(await failRungs(id, 10, calm), 2);
    await scene.market.clock.advance(1_000);
    await until(() => transcoders(id).length === 2);
    assert.equal(await failRungs(id, 10, calm), 4);
    // The second pause is longer.
    await scene.market.clock.advance(1_999);
    assert.equal(await failRungs(id, 1, calm), 4);
    await scene.market.clock.advance(1);
    await until(() => transcoders(id).length === 2);
  });

  it("do not go from one node that fails them to another without a pause", async () => {
    const { id } = await goLive();
    const calm = scene.market.clock.sleeping;
    // Once to each of the two.
    assert.equal(await failRungs(id, 10, calm), 4);
    await scene.market.clock.advance(1_000);
    await until(() => transcoders(id).length === 2);
    assert.equal(await failRungs(id, 10, calm), 8);
    await scene.market.clock.advance(1_999);
    assert.equal(await failRungs(id, 1, calm), 8);
  });

  it("go to another node at once where the one that fails did something", async () => {
    const { id, ingest } = await goLive();
    const calm = scene.market.clock.sleeping;
    assert.equal(await failRungs(id, 10, calm), 4);
    await scene.market.clock.advance(1_000);
    await until(() => transcoders(id).length === 2);
    const rungs = transcoders(id).flatMap(({ spec }) => (spec as TranscodeSpec).rungs);
    const published = rungs.map(({ rung }) => ({ rung, sequence: 0 }));
    const frames = { lastFrameAgeMs: 0, sequence: 0, frames: 60, isOver: false, published };
    await scene.market.hub.ask(ingest, "publish.renew", { stream: id, ...frames });
    assert.equal(await failRungs(id, 10, calm), 8);
    // All is as at the first failure.
    await scene.market.clock.advance(1_000);
    await until(() => transcoders(id).length === 2);
  });

  it("are edges that a viewer asks for: tried before their pause is over", async () => {
    await startSlowly();
    const { clock, hub, balancer } = scene.market;
    const { id, slug } = await goLive(scene.nodes[1]);
    await balancer.play(slug);
    await until(() => edgesOf(id).length === 2);
    const [edge] = edgesOf(id);
    for (const node of scene.nodes) node.refusals.set("job.reserve", "JOB_CAPACITY_SHORT");
    const { job, attempt } = edge!.terms.assignment.value;
    edge!.node.jobs.delete(job);
    await hub.ask(edge!.node, "job.failed", { job, attempt, code: "JOB_GIVEN_UP", sequence: null });
    // Until the pauses are as long as those of an edge get, and the next one has begun.
    await passPauses(firstMs, 2 * firstMs, 4 * firstMs);
    await until(() => clock.isSlept(5_000));
    for (const node of scene.nodes) node.refusals.clear();
    await clock.advance(1_000);
    await balancer.play(slug);
    // No time passes any more.
    await until(() => edgesOf(id).length === 2);
  });

  it("are asked for again at a node whose reservation ran out meanwhile", async () => {
    scene.nodes[1].refusals.set("job.reserve", "JOB_CAPACITY_SHORT");
    const only = scene.nodes[2];
    const answer = only.answer.bind(only);
    const late = new Set<Hex>();
    only.answer = async (method, body) => {
      if (method === "job.assign") {
        const { job } = (body as { assignment: { value: { job: Hex } } }).assignment.value;
        if (!late.has(job)) {
          late.add(job);
          throw new RemoteError({ code: "JOB_RESERVATION_MISSING", method });
        }
      }
      return answer(method, body);
    };
    const { id } = await goLive();
    for (const terms of transcoders(id)) {
      assert.equal(terms.assignment.value.node, only.address);
      const { body } = await scene.market.balancer.selection(terms.selection);
      assert.equal(
        bodyFromText(body).request.excluded.some(({ node }) => node === only.address),
        false,
      );
    }
  });

  it("end where they still run and nobody wants them, and nowhere else", async () => {
    const live = await goLiveAtSecond();
    const [kept, given] = transcoders(live.id);
    const { job, attempt } = given!.assignment.value;
    const stray = { ...live.only.running().find((entry) => entry.job === job)!, attempt: attempt + 1 };
    const beat = () => scene.market.hub.beat(live.only, 0, [...live.only.running(), stray]);
    beat();
    await scene.market.clock.advance(1_000);
    beat();
    // It may be on its way out.
    assert.deepEqual(live.only.told("job.end"), []);
    await scene.market.clock.advance(2_000);
    beat();
    await until(() => live.only.told("job.end").length === 1);
    assert.deepEqual(live.only.told("job.end"), [{ job, attempt: attempt + 1, code: "JOB_REPLACED" }]);
    await scene.market.clock.advance(1_000);
    beat();
    assert.equal(live.only.told("job.end").length, 1);
    assert.ok(live.only.jobs.has(kept!.assignment.value.job));
  });
});
