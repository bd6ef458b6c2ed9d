import assert from "node:assert/strict";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { JobTerms } from "@leat/sdk/protocol/job.ts";
import { sql } from "drizzle-orm";
import { balancerOptions } from "../../../../node/services/balancer/options.ts";
import { UNKNOWN_MARGIN } from "../../../../node/store/sql/schema.ts";
import { StreamStore } from "../../../../node/store/sql/stream-store.ts";
import { useBalancer } from "../../../support/balancer-scene.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { codeOf, FakeBooks, startMarket } from "../../../support/fake-market.ts";

describe("balancer, ends and restarts", () => {
  const scene = useBalancer();
  const { publish, until, transcoders, ownerOf, goLive } = scene;
  const { leaseHoldMs, reconnectGraceMs } = defaultsOf(balancerOptions);

  async function stopFor(ms: number) {
    const live = await goLive();
    const { clock, balancer } = scene.market;
    await balancer.stop();
    await clock.advance(ms);
    scene.market = await startMarket(scene.database, { nodes: scene.nodes, clock });
    const { market } = scene;
    const view = () => market.balancer.views.stream(scene.nodes[3].address, live.id);
    return { market, live, view, state: async () => (await view()).state };
  }

  it("ends everything when the publisher says goodbye", async () => {
    const live = await goLive();
    await scene.market.balancer.play(live.slug);
    await scene.market.hub.ask(live.ingest, "publish.end", {
      stream: live.id,
      clean: true,
      lastSequence: 3,
      frames: 200,
    });
    assert.equal(transcoders(live.id).length, 0);
    assert.equal((await scene.market.balancer.play(live.slug)).state, "ended");
    await assert.rejects(publish(scene.nodes[0], live.streamKey), codeOf("STREAM_ENDED"));
    const [stream] = await scene.market.balancer.views.streams(scene.nodes[3].address, 10);
    assert.deepEqual([stream?.nextFrame, stream?.nextSequence], [200n, 4]);
  });

  it("places a family again when its source is over only where a segment of it is missing", async () => {
    const live = await goLive();
    const [whole, short] = transcoders(live.id) as [JobTerms, JobTerms];
    const rungsOf = ({ spec }: JobTerms) => (spec.primitive === "transcode" ? spec.rungs.map(({ rung }) => rung) : []);
    const ask = scene.market.hub.ask.bind(scene.market.hub, live.ingest);
    const over = { stream: live.id, lastFrameAgeMs: 0, sequence: 3, frames: 240, isOver: true, published: [] };
    await ask("publish.renew", over);
    for (const [terms, sequence] of [[whole, 3] as const, [short, 2] as const]) {
      await ask("segment.published", { stream: live.id, rungs: rungsOf(terms), sequence });
    }
    const jobOf = ({ assignment }: JobTerms) => assignment.value.job;
    for (const terms of [whole, short]) {
      await scene.market.hub.ask(ownerOf(terms), "job.done", { job: jobOf(terms), attempt: 1 });
      for (const node of scene.nodes) node.jobs.delete(jobOf(terms));
    }
    await scene.market.clock.advance(1_100);
    await until(() => transcoders(live.id).length === 1);
    const [again] = transcoders(live.id) as [JobTerms];
    assert.deepEqual([jobOf(again), again.assignment.value.attempt], [jobOf(short), 2]);
    assert.equal(again.spec.primitive === "transcode" && again.spec.startSequence, 3);
    await scene.market.clock.advance(5_000);
    const attempts = await scene.market.balancer.views.jobs(scene.nodes[3].address, live.id);
    assert.equal(attempts.find(({ job }) => job.id === jobOf(whole))?.attempts.length, 1);
  });

  it("gives streams from before margins were kept today's, for good", async () => {
    const { id } = await scene.create();
    const marginAfter = async (marginBps: number) => {
      await scene.market.balancer.stop();
      scene.market = await startMarket(scene.database, { nodes: scene.nodes, options: { marginBps } });
      const row = await new StreamStore(scene.database).find(id);
      return row?.marginBps;
    };
    assert.equal(await marginAfter(500), 1_000);
    await scene.database.sql.execute(sql`update streams set margin_bps = ${UNKNOWN_MARGIN}`);
    assert.deepEqual([await marginAfter(500), await marginAfter(2_000)], [500, 500]);
  });

  it("places nothing again of what became whole while it was away", async () => {
    const live = await goLive();
    const done = transcoders(live.id).map((terms) => ({ terms, node: ownerOf(terms) }));
    await scene.market.balancer.stop();
    scene.market = await startMarket(scene.database, { nodes: scene.nodes, clock: scene.market.clock });
    for (const { terms, node } of done) node.jobs.delete(terms.assignment.value.job);
    for (const node of scene.nodes) {
      const ended = done.filter((one) => one.node === node).map(({ terms }) => terms);
      const jobs = ended.map(({ assignment: { value } }) => ({
        job: value.job,
        attempt: value.attempt,
        primitive: "transcode" as const,
        stream: live.id,
        sequence: 3,
      }));
      scene.market.hub.join(node, node.hello([...node.running(), ...jobs]));
    }
    for (const { terms, node } of done) {
      await scene.market.hub.ask(node, "job.done", { job: terms.assignment.value.job, attempt: 1 });
    }
    // Nobody told it yet what there is. The database answers in turn: what would be placed is placed by then.
    await scene.market.clock.advance(3_000);
    for (let look = 0; look < 50; look += 1) await scene.market.balancer.views.jobs(scene.nodes[3].address, live.id);
    assert.equal(transcoders(live.id).length, 0);
    await scene.market.hub.ask(live.ingest, "publish.renew", {
      stream: live.id,
      lastFrameAgeMs: 0,
      sequence: 3,
      frames: 240,
      isOver: true,
      published: [1, 2, 3].map((rung) => ({ rung, sequence: 3 })),
    });
    await scene.market.clock.advance(5_000);
    assert.equal(transcoders(live.id).length, 0);
    const jobs = await scene.market.balancer.views.jobs(scene.nodes[3].address, live.id);
    assert.deepEqual(
      jobs.map(({ attempts }) => attempts.length),
      [1, 1, 1],
    );
  });

  it("ends the jobs of a stream that was over before it was killed", async () => {
    const live = await goLive();
    const jobs = transcoders(live.id).map(({ assignment }) => assignment.value.job);
    await scene.market.balancer.stop();
    await scene.database.sql.execute(sql`update streams set state = 'ended', end_code = 'STREAM_ENDED'`);
    scene.market = await startMarket(scene.database, { nodes: scene.nodes, clock: scene.market.clock });
    for (const node of scene.nodes) scene.market.hub.join(node, node.hello());
    await until(() => transcoders(live.id).length === 0);
    const rows = await scene.database.sql.execute(sql`select j.state, a.state as attempt from jobs j
      join attempts a on a.job = j.id where j.primitive = 'transcode'`);
    assert.deepEqual(
      rows,
      jobs.map(() => ({ state: "ended", attempt: "ended" })),
    );
  });

  it("adopts running jobs after a restart, goes on where it was, and moves what a node forgot", async () => {
    const live = await goLive();
    const before = transcoders(live.id);
    const submit = await ownerOf(before[0]!).receipt(before[0]!, 0);
    await scene.market.hub.ask(ownerOf(before[0]!), "receipt.submit", submit);
    await scene.market.balancer.stop();
    const books = new FakeBooks();
    scene.market = await startMarket(scene.database, { nodes: scene.nodes, clock: scene.market.clock, books });
    const [a, b, c, buyer] = scene.nodes;
    const forgot = ownerOf(before[1]!);
    for (const node of [a, b, c, buyer]) {
      const jobs = node.running().filter(({ job }) => node !== forgot || job !== before[1]!.assignment.value.job);
      scene.market.hub.join(node, node.hello(jobs));
    }
    await scene.market.hub.ask(a, "publish.renew", {
      stream: live.id,
      lastFrameAgeMs: 0,
      sequence: 3,
      frames: 100,
      isOver: false,
      published: [],
    });
    await scene.market.hub.ask(a, "check.submit", await a.check(submit.receipt.value, 1));
    assert.equal(new Set(books.passedKeys).size, 1);
    const { job } = before[1]!.assignment.value;
    await until(() =>
      transcoders(live.id).some(({ assignment }) => assignment.value.job === job && assignment.value.attempt === 2),
    );
    const kept = transcoders(live.id).find(({ assignment }) => assignment.value.job !== job)!;
    assert.equal(kept.assignment.value.attempt, 1);
  });

  it("gives who published while all of it was stopped its grace, and then ends the stream", async () => {
    const { market, live, view, state } = await stopFor(60_000);
    // All nodes were started again, and know of no job.
    for (const node of scene.nodes) market.hub.join(node, node.hello([]));
    await market.clock.advance(leaseHoldMs + reconnectGraceMs - 1_000);
    assert.equal(await state(), "live");
    await market.clock.advance(3_000);
    await until(async () => (await state()) === "ended");
    assert.equal((await view()).endCode, "PUBLISHER_LOST");
    await until(() => transcoders(live.id).length === 0);
  });

  it("ends no stream whose publisher comes back while it ends those before", async () => {
    const first = await goLive();
    const second = await goLive();
    const { market } = scene;
    const [a, b] = scene.nodes;
    market.hub.leave(a);
    const told = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const worker = ownerOf(transcoders(first.id)[0]!);
    const { answer } = worker;
    worker.answer = async function (method, body) {
      if (method === "job.end") {
        told.resolve();
        await goOn.promise;
      }
      return answer.call(this, method, body);
    };
    await market.clock.advance(leaseHoldMs + reconnectGraceMs + 2_000);
    await told.promise;
    const grant = await publish(b, second.streamKey);
    goOn.resolve();
    const stateOf = async (id: Hex) => (await market.balancer.views.stream(scene.nodes[3].address, id)).state;
    await until(async () => (await stateOf(first.id)) === "ended");
    await market.clock.advance(2_000);
    await market.hub.ask(b, "publish.end", { stream: second.id, clean: true, lastSequence: 0, frames: 60 });
    await until(async () => (await stateOf(second.id)) === "ended");
    const { endCode } = await market.balancer.views.stream(scene.nodes[3].address, second.id);
    assert.deepEqual([grant.stream, endCode], [second.id, "STREAM_ENDED"]);
  });

  it("goes on with a stream whose node finds it again late", async () => {
    const { market, live, view, state } = await stopFor(60_000);
    await market.clock.advance(leaseHoldMs + reconnectGraceMs - 1_000);
    for (const node of scene.nodes) market.hub.join(node, node.hello(node.running()));
    const told = { stream: live.id, frames: 3_000 };
    const renewal = { ...told, lastFrameAgeMs: 0, sequence: 90, isOver: false, published: [] };
    await market.hub.ask(live.ingest, "publish.renew", renewal);
    await market.clock.advance(3_000);
    await market.hub.ask(live.ingest, "publish.end", { ...told, clean: true, lastSequence: 91 });
    await until(async () => (await state()) === "ended");
    const { endCode, nextSequence } = await view();
    assert.deepEqual([endCode, nextSequence], ["STREAM_ENDED", 92]);
  });
});
