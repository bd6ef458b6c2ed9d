import assert from "node:assert/strict";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { sql } from "drizzle-orm";
import { JobStore } from "../../../../node/store/sql/job-store.ts";
import { ladder, source, useBalancer } from "../../../support/balancer-scene.ts";
import { usdc } from "../../../support/candidates.ts";
import { codeOf, randomHash, startMarket } from "../../../support/fake-market.ts";
import { clusterAccount, type FakeNode } from "../../../support/fake-node.ts";

const url = "http://camera.example/live.ts";

describe("pulled streams at the balancer", () => {
  const scene = useBalancer();
  const ask = (...call: Parameters<typeof scene.market.hub.ask>) => scene.market.hub.ask(...call);
  const begun = (node: FakeNode) => node.told("pull.begin");
  const row = (id: string) => scene.market.balancer.views.stream(scene.nodes[3].address, id);

  const pull = (changes: object = {}) => scene.create({ pull: { url, ...changes } });

  /** Of the two that could, the one that got it, and the other. */
  async function given(): Promise<[FakeNode, FakeNode]> {
    const [a, b] = scene.nodes;
    await scene.until(() => begun(a).length + begun(b).length > 0);
    return begun(a).length > 0 ? [a, b] : [b, a];
  }

  async function live() {
    const created = await pull();
    const [node, other] = await given();
    const grant = await ask(node, "publish.pulled", { stream: created.id });
    if (!("terms" in grant)) throw new Error("no grant");
    node.jobs.set(grant.terms.assignment.value.job, grant.terms);
    await ask(node, "source.ready", { stream: created.id, source });
    await scene.until(() => scene.transcoders(created.id).length === 2);
    return { ...created, node, other, grant };
  }

  it("are given to one ingest node that fetches such sources, once each of the chosen would", async () => {
    const { id } = await pull();
    const [node, other] = await given();
    assert.deepEqual(begun(node), [{ stream: id, url }]);
    assert.deepEqual([node.told("pull.check"), other.told("pull.check")], [[{ url }], [{ url }]]);
    await scene.market.clock.advance(5_000);
    assert.deepEqual([begun(node).length, begun(other).length], [1, 0]);
    assert.deepEqual((await row(id)).pull, { url, when: "always" });
  });

  it("are not made where no node fetches from such an address, and their buyer is told why", async () => {
    const [a, b] = scene.nodes;
    for (const code of ["PULL_ADDRESS_PRIVATE", "PULL_NAME_REFUSED", "PULL_PULLS_EXCEEDED"]) {
      for (const node of [a, b]) node.refusals.set("pull.check", code);
      await assert.rejects(pull(), codeOf(code), code);
    }
    for (const node of [a, b]) node.refusals.set("pull.check", "SOMETHING_ELSE");
    await assert.rejects(pull(), codeOf("PLACEMENT_NOBODY"));
    assert.deepEqual(await scene.market.balancer.views.streams(scene.nodes[3].address, 10), []);
    assert.deepEqual([begun(a), begun(b)], [[], []]);
  });

  it("are not made of what no node fetches, and no node is asked", async () => {
    await assert.rejects(pull({ url: "file:///etc/passwd" }), codeOf("PULL_SCHEME_REFUSED"));
    await assert.rejects(pull({ url: "http:///x" }), codeOf("PULL_URL_INVALID"));
    assert.deepEqual(
      scene.nodes.flatMap((node) => node.calls),
      [],
    );
  });

  it("go to those alone that would fetch them", async () => {
    const [a, b] = scene.nodes;
    a.refusals.set("pull.check", "PULL_ADDRESS_PRIVATE");
    const { id } = await pull();
    const [node] = await given();
    assert.deepEqual([node, (await row(id)).ingestNodes], [b, [b.address]]);
    const { pulls: _, ...without } = b.hello();
    scene.market.hub.join(b, without);
    await assert.rejects(pull(), codeOf("PULL_ADDRESS_PRIVATE"));
  });

  it("are as many for one buyer as the cluster allows", async () => {
    for (let made = 0; made < 20; made += 1) await pull();
    await assert.rejects(pull(), codeOf("STREAM_PULLS_EXCEEDED"));
    await scene.create();
  }).timeout(20_000);

  it("are as many also where all are asked for at once, and those that came to nothing do not count", async () => {
    const [a, b] = scene.nodes;
    for (const node of [a, b]) node.refusals.set("pull.check", "PULL_NAME_REFUSED");
    await Promise.allSettled(Array.from({ length: 25 }, () => pull()));
    for (const node of [a, b]) node.refusals.clear();
    const made = await Promise.allSettled(Array.from({ length: 25 }, () => pull()));
    assert.equal(made.filter(({ status }) => status === "fulfilled").length, 20);
    for (const one of made) assert.ok(one.status === "fulfilled" || codeOf("STREAM_PULLS_EXCEEDED")(one.reason));
    assert.equal((await scene.market.balancer.views.streams(scene.nodes[3].address, 100)).length, 20);
  }).timeout(20_000);

  it("may be published by the node alone that has their source, beside nobody", async () => {
    const { id, streamKey, node, other } = await live();
    await assert.rejects(ask(other, "publish.pulled", { stream: id }), codeOf("PULL_NOT_YOURS"));
    await assert.rejects(scene.publish(other, streamKey), codeOf("PUBLISH_LEASE_HELD"));
    await assert.rejects(scene.publish(node, streamKey), codeOf("PUBLISH_LEASE_HELD"));
    const { id: plain } = await scene.create();
    await assert.rejects(ask(node, "publish.pulled", { stream: plain }), codeOf("PULL_NOT_YOURS"));
    // Its own lease keeps the node from nothing: it comes back at once.
    const again = await ask(node, "publish.pulled", { stream: id });
    assert.ok("terms" in again && again.discontinuity === false);
  });

  it("tell their buyer why nothing comes", async () => {
    const { id } = await pull();
    const [node, other] = await given();
    await ask(node, "pull.state", { stream: id, code: "PULL_STATUS_REFUSED" });
    assert.equal((await row(id)).pullCode, "PULL_STATUS_REFUSED");
    await assert.rejects(ask(other, "pull.state", { stream: id, code: "LIES" }), codeOf("PULL_NOT_YOURS"));
    await ask(node, "pull.state", { stream: id, code: null });
    assert.equal((await row(id)).pullCode, null);
  });

  it("begin anew at once when the chain says that their buyer has more in reserve, and then alone", async () => {
    const { id } = await pull();
    const [node] = await given();
    const reserved = () =>
      scene.market.confirm({
        eventName: "Reserved",
        args: { payer: scene.nodes[3].address, payee: clusterAccount },
      });
    reserved();
    await ask(node, "pull.state", { stream: id, code: "BUYER_UNFUNDED" });
    assert.deepEqual([begun(node).length, node.told("pull.end").length], [1, 0]);
    reserved();
    await scene.until(() => begun(node).length === 2);
    assert.deepEqual(node.told("pull.end"), [{ stream: id }]);
  });

  it("pause where their source is lost: all work for them ends, and they go on where they stopped", async () => {
    const { id, slug, node, grant } = await live();
    await scene.market.balancer.play(slug);
    const works = scene.nodes.flatMap(({ jobs }) => [...jobs.keys()]);
    assert.equal(works.length, 5);
    await ask(node, "publish.end", { stream: id, clean: false, lastSequence: 6, frames: 420 });
    const paused = await row(id);
    assert.deepEqual(
      [paused.state, paused.endCode, paused.renditions, paused.nextSequence],
      ["created", null, null, 7],
    );
    assert.deepEqual(
      scene.nodes.flatMap(({ jobs }) => [...jobs.keys()]),
      [grant.terms.assignment.value.job],
    );
    assert.deepEqual((await scene.market.balancer.play(slug)).primary, null);
    node.jobs.clear();
    const again = await ask(node, "publish.pulled", { stream: id });
    if (!("terms" in again)) throw new Error("no grant");
    assert.notEqual(again.terms.assignment.value.job, grant.terms.assignment.value.job);
    assert.deepEqual([again.startSequence, again.startFrame, again.startEpoch, again.discontinuity], [7, 420, 1, true]);
    await ask(node, "source.ready", { stream: id, source });
    await scene.until(() => scene.transcoders(id).length === 2);
    for (const { spec } of scene.transcoders(id)) assert.ok(spec.primitive === "transcode" && spec.startSequence === 7);
    // Told once: it is the same stream.
    assert.deepEqual(new Set(scene.market.news.map((item) => item.id)), new Set([`stream.started.${id}`]));
  });

  it("pause also where the node that had them is gone for good, and go to another", async () => {
    const { id, node, other } = await live();
    scene.market.hub.leave(node);
    await scene.market.clock.advance(2_000);
    assert.equal(begun(other).length, 0);
    await scene.market.clock.advance(3_000);
    await scene.until(() => begun(other).length === 1);
    await scene.market.clock.advance(60_000);
    await scene.until(async () => (await row(id)).state === "created");
    const grant = await ask(other, "publish.pulled", { stream: id });
    assert.ok("terms" in grant);
  });

  it("end where their source is over, and are fetched no more", async () => {
    const { id, node } = await live();
    await ask(node, "publish.end", { stream: id, clean: true, lastSequence: 6, frames: 420 });
    assert.deepEqual([(await row(id)).state, (await row(id)).endCode], ["ended", "STREAM_ENDED"]);
    await scene.until(() => node.told("pull.end").length === 1);
    assert.deepEqual(node.told("pull.end"), [{ stream: id }]);
    await scene.market.clock.advance(5_000);
    assert.equal(begun(node).length, 1);
  });

  describe("that end in the moment in which they pause", () => {
    const lost = (id: Hex) => ({ stream: id, clean: false, lastSequence: 6, frames: 420 });
    const end = (id: Hex) => scene.market.balancer.endStream(scene.nodes[3].address, id);
    const jobsOf = async (id: Hex) =>
      (await new JobStore(scene.database).openJobs()).filter(({ stream }) => stream === id);

    async function isOver(id: Hex): Promise<void> {
      const { state, endCode } = await row(id);
      assert.deepEqual([state, endCode, await jobsOf(id)], ["ended", "STREAM_ENDED", []]);
    }

    it("are over where their buyer asked first, and their node then had nothing more to end", async () => {
      const { id, node } = await live();
      await Promise.all([ask(node, "publish.end", lost(id)), end(id)]);
      await isOver(id);
    });

    it("are over where their pause had begun, and leave no job", async () => {
      const { id, node } = await live();
      const [reached, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const worker = scene.ownerOf(scene.transcoders(id)[0]!);
      const { answer } = worker;
      worker.answer = async (method, body) => {
        if (method === "job.end") reached.resolve();
        if (method === "job.end") await goOn.promise;
        return answer.call(worker, method, body);
      };
      const paused = ask(node, "publish.end", lost(id));
      await reached.promise;
      const ended = end(id);
      // Far enough to have ended all without a pause.
      for (let step = 0; step < 20; step += 1) await scene.countDecisions();
      goOn.resolve();
      await Promise.all([paused, ended]);
      await isOver(id);
    });

    it("are over where the balancer was killed before it had ended them", async () => {
      const { id, node } = await live();
      await ask(node, "publish.end", lost(id));
      await scene.database.sql.execute(sql`update streams set end_code = 'STREAM_ENDED' where id = ${id}`);
      await scene.market.balancer.stop();
      scene.market = await startMarket(scene.database, { nodes: scene.nodes });
      await isOver(id);
    });
  });

  it("end when their buyer says so, also while nothing comes", async () => {
    const { id } = await pull();
    const [node] = await given();
    await scene.market.balancer.endStream(scene.nodes[3].address, id);
    await scene.until(() => node.told("pull.end").length === 1);
    assert.equal((await row(id)).state, "ended");
  });

  it("are asked for again of a node that comes back, which may have forgotten them", async () => {
    await pull();
    const [node, other] = await given();
    scene.market.hub.leave(node);
    await scene.market.clock.advance(1_000);
    scene.market.hub.join(node);
    await scene.until(() => begun(node).length === 2);
    assert.equal(begun(other).length, 0);
  });

  describe("that nodes refuse", () => {
    const FULL = "PULL_PULLS_EXCEEDED";
    const refuse = (...nodes: FakeNode[]) => {
      for (const node of nodes) node.refusals.set("pull.begin", FULL);
    };
    /** Seconds one by one, each with what it brings: the database answers in the order in which it is asked. */
    async function pass(seconds: number): Promise<void> {
      for (let second = 0; second < seconds; second += 1) {
        await scene.market.clock.advance(1_000);
        for (let step = 0; step < 8; step += 1) await scene.countDecisions();
      }
    }

    it("are asked of the same nodes at pauses that grow, and no decision is made where there are no others", async () => {
      const [a, b] = scene.nodes;
      refuse(a, b);
      const { id } = await pull();
      await scene.until(async () => begun(b).length === 1 && (await row(id)).pullCode === FULL);
      const decisions = await scene.countDecisions();
      await pass(90);
      for (const node of [a, b]) assert.ok(begun(node).length > 5 && begun(node).length < 10, `${begun(node).length}`);
      assert.equal(await scene.countDecisions(), decisions);
      a.refusals.clear();
      await pass(30);
      await scene.until(() => begun(a).length > 0);
      const asked = begun(b).length;
      await pass(60);
      assert.equal(begun(b).length, asked);
    }).timeout(20_000);

    it("go to one that comes, at once", async () => {
      const [a, b] = scene.nodes;
      const fifth = await scene.addFifth();
      refuse(a, b);
      const { id } = await pull();
      await pass(120);
      scene.market.hub.join(fifth);
      await pass(1);
      await scene.until(() => begun(fifth).length === 1);
      assert.deepEqual((await row(id)).ingestNodes, [fifth.address]);
      assert.ok("terms" in (await ask(fifth, "publish.pulled", { stream: id })));
    }).timeout(20_000);

    it("are offered to all others in turn, with decisions that become fewer", async () => {
      const [a, b] = scene.nodes;
      const fifth = await scene.addFifth();
      scene.market.hub.join(fifth);
      refuse(a, b, fifth);
      await pull();
      const decisions = await scene.countDecisions();
      await pass(300);
      for (const node of [a, b, fifth]) assert.ok(begun(node).length > 1, `${begun(node).length}`);
      const made = (await scene.countDecisions()) - decisions;
      assert.ok(made > 4 && made < 30, `${made} decisions in five minutes`);
    }).timeout(30_000);

    it("leave no decision while no node fetches, and go on with the first that does", async () => {
      const { id } = await pull();
      const [node, other] = await given();
      const decisions = await scene.countDecisions();
      scene.market.hub.leave(node);
      const { pulls: _, ...without } = other.hello();
      scene.market.hub.join(other, without);
      await pass(60);
      assert.deepEqual(
        [await scene.countDecisions(), (await row(id)).pullCode, begun(other)],
        [decisions, "PLACEMENT_NOBODY", []],
      );
      scene.market.hub.join(other);
      await scene.until(() => begun(other).length === 1);
    }).timeout(20_000);

    it("are taken from a node that gives them back, and go to another", async () => {
      const { id } = await pull();
      const [node, other] = await given();
      await ask(node, "pull.state", { stream: id, code: FULL });
      await assert.rejects(ask(node, "publish.pulled", { stream: id }), codeOf("PULL_NOT_YOURS"));
      refuse(node);
      await pass(1);
      await scene.until(() => begun(other).length === 1);
      assert.ok("terms" in (await ask(other, "publish.pulled", { stream: id })));
    });

    it("go to nobody else while they end", async () => {
      const { id, node, other } = await live();
      await scene.market.balancer.endStream(scene.nodes[3].address, id);
      await ask(node, "pull.state", { stream: id, code: "STREAM_ENDED" });
      await pass(5);
      assert.deepEqual([begun(node).length, begun(other).length, (await row(id)).state], [1, 0, "live"]);
    });
  });

  describe("that are fetched for viewers", () => {
    const IDLE_MS = 60_000;
    const ended = (node: FakeNode) => node.told("pull.end").length;
    /** What the buyer's agent was told last that it may look at. */
    const looksAt = () => (scene.nodes[3].told("stream.watch") as { edges: unknown[] }[]).at(-1)?.edges.length ?? 0;

    let renew: () => Promise<unknown>;

    async function watched() {
      const created = await pull({ when: "viewers" });
      await scene.market.clock.advance(5_000);
      assert.equal(begun(scene.nodes[0]).length + begun(scene.nodes[1]).length, 0);
      await scene.market.balancer.play(created.slug);
      const [node] = await given();
      const grant = await ask(node, "publish.pulled", { stream: created.id });
      if (!("terms" in grant)) throw new Error("no grant");
      node.jobs.set(grant.terms.assignment.value.job, grant.terms);
      await ask(node, "source.ready", { stream: created.id, source });
      await scene.until(() => scene.transcoders(created.id).length === 2);
      const body = { stream: created.id, lastFrameAgeMs: 0, sequence: null, frames: 0, isOver: false, published: [] };
      renew = () => ask(node, "publish.renew", body);
      await scene.market.balancer.play(created.slug);
      const [edge] = scene.edgesOf(created.id);
      const say = (viewers: number) => scene.market.hub.tellViewers(edge!.node, viewers);
      return { ...created, node, say };
    }

    /** Seconds one by one, as the balancer looks, while the source goes on. */
    async function pass(seconds: number): Promise<void> {
      for (let second = 0; second < seconds; second += 1) {
        await renew();
        await scene.market.clock.advance(1_000);
      }
    }

    it("begin with the first of them", async () => {
      await watched();
    });

    it("stop a while after the last has left", async () => {
      const { node, say } = await watched();
      scene.market.hub.leave(scene.nodes[3]);
      say(1);
      await pass(3 * (IDLE_MS / 1_000));
      assert.equal(ended(node), 0);
      say(0);
      await pass(IDLE_MS / 1_000 - 2);
      assert.equal(ended(node), 0);
      await pass(4);
      await scene.until(() => ended(node) === 1);
    });

    it("stop where the buyer's agent alone looks on, and it looks away to show it", async () => {
      const { node, say } = await watched();
      await scene.until(() => looksAt() > 0);
      say(1);
      await pass(39);
      assert.ok(looksAt() > 0);
      await pass(3);
      await scene.until(() => looksAt() === 0);
      // It is counted for a few seconds more.
      await pass(12);
      assert.equal(ended(node), 0);
      say(0);
      await pass(8);
      await scene.until(() => ended(node) === 1);
    });

    it("go on where one is there that is seen while the agent looks away", async () => {
      const { node, say } = await watched();
      say(1);
      await pass(IDLE_MS / 1_000 + 10);
      assert.equal(ended(node), 0);
      await scene.until(() => looksAt() > 0);
      say(2);
      await pass(3 * (IDLE_MS / 1_000));
      assert.equal(ended(node), 0);
      // It may have just looked away to show whether anybody else is there.
      await scene.until(() => looksAt() > 0);
      assert.equal(ended(node), 0);
    });

    it("begin again with the next, where the stream goes on", async () => {
      const { id, slug, node } = await watched();
      await pass(IDLE_MS / 1_000 + 2);
      await scene.until(() => ended(node) === 1);
      await ask(node, "publish.end", { stream: id, clean: false, lastSequence: 9, frames: 600 });
      assert.equal((await row(id)).state, "created");
      await assert.rejects(ask(node, "publish.pulled", { stream: id }), codeOf("PULL_NOT_YOURS"));
      await scene.market.balancer.play(slug);
      await scene.until(() => begun(scene.nodes[0]).length + begun(scene.nodes[1]).length === 2);
    });
  });

  it("take their price and their policy as other streams do", async () => {
    const { quote } = await scene.market.balancer.createStream(scene.nodes[3].address, {
      ladder,
      token: usdc,
      nonce: randomHash(3),
      unsignedBudgetBytes: 0n,
      pull: { url, when: "viewers" },
    });
    assert.ok((quote.prices.ingestMs ?? 0n) > 0n);
  });
});
