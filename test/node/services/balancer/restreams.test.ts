import assert from "node:assert/strict";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { RestreamTarget } from "@leat/sdk/protocol/restream.ts";
import { presentStream } from "../../../../node/http/rest/presenters.ts";
import { useBalancer } from "../../../support/balancer-scene.ts";
import { codeOf } from "../../../support/fake-market.ts";
import type { FakeNode } from "../../../support/fake-node.ts";

const target = { name: "one", url: "rtmp://live.example/app/s3cr3t" };
const other = { name: "two", url: "rtmps://live.example:444/app/s3cr3t", rung: "240p" };

describe("streams that are sent on, at the balancer", () => {
  const scene = useBalancer();
  const buyer = () => scene.nodes[3].address;
  const row = (id: string) => scene.market.balancer.views.stream(buyer(), id);
  const told = (node: FakeNode) =>
    node.told("restream.set") as { stream: string; slug: string; targets: RestreamTarget[] }[];
  const setTargets = (id: string, ...targets: RestreamTarget[]) =>
    scene.market.balancer.setTargets(buyer(), id, targets);
  const holder = () => scene.nodes.find((node) => (told(node).at(-1)?.targets.length ?? 0) > 0);
  /** Second after second, in which the publisher goes on. */
  const pass = async (stream: Hex, done: () => boolean | Promise<boolean>) =>
    scene.until(async () => {
      const going = { stream, lastFrameAgeMs: 0, sequence: null, frames: 0, isOver: false, published: [] };
      await scene.market.hub.ask(scene.nodes[0], "publish.renew", going);
      await scene.market.clock.advance(1_000);
      return done();
    });

  /** So many seconds, each with what it brings: until the database is asked for no decision any more. */
  async function goOn(stream: Hex, times: number): Promise<void> {
    let passed = 0;
    await pass(stream, async () => {
      for (let same = 0, last = -1; same < 5; ) {
        const count = await scene.countDecisions();
        same = count === last ? same + 1 : 0;
        last = count;
      }
      passed += 1;
      return passed === times;
    });
  }

  async function live(...targets: RestreamTarget[]) {
    const created = await scene.goLive(scene.nodes[0], { targets });
    await pass(created.id, () => holder() !== undefined);
    return { ...created, edge: holder()! };
  }

  it("have an edge, though nobody watches, which is told of the targets once", async () => {
    const { id, slug, edge } = await live(target, other);
    assert.deepEqual(told(edge), [{ stream: id, slug, targets: [target, other] }]);
    assert.ok(scene.edgesOf(id).some(({ node }) => node === edge));
    await scene.market.clock.advance(5_000);
    assert.equal(told(edge).length, 1);
    assert.equal(scene.nodes.filter((node) => told(node).length > 0).length, 1);
  });

  it("have no edge before they are live, or without a target", async () => {
    await scene.create({ targets: [target] });
    const { id } = await scene.goLive(scene.nodes[1]);
    await scene.market.clock.advance(5_000);
    assert.deepEqual([scene.edgesOf(id), holder()], [[], undefined]);
  });

  it("show how each target does, and never its key", async () => {
    const { id, edge } = await live(target, other);
    const { views } = scene.market.balancer;
    const audience = (await views.audiences([id])).get(id)!;
    const show = async () => presentStream(await row(id), { health: undefined, refusals: [], audience });
    const shown = async () => (await show()).targets;
    const url = "rtmp://live.example/***";
    assert.deepEqual((await shown())[0], { name: "one", url, rung: null, code: "RESTREAM_WAITING" });
    await scene.market.hub.ask(edge, "restream.state", { stream: id, name: "one", code: "RESTREAM_REFUSED" });
    await scene.market.hub.ask(edge, "restream.state", { stream: id, name: "two", code: null });
    assert.deepEqual(await shown(), [
      { name: "one", url, rung: null, code: "RESTREAM_REFUSED" },
      { name: "two", url: "rtmps://live.example:444/***", rung: "240p", code: null },
    ]);
    assert.ok(!JSON.stringify(await show(), (_, value) => `${value}`).includes("s3cr3t"));
    const stranger = scene.nodes.find((node) => node !== edge && node !== scene.nodes[3])!;
    const lie = { stream: id, name: "one", code: null };
    await assert.rejects(scene.market.hub.ask(stranger, "restream.state", lie), codeOf("RESTREAM_NOT_YOURS"));
    await scene.market.hub.ask(edge, "restream.state", { stream: id, name: "unknown", code: null });
    assert.deepEqual(Object.keys((await row(id)).targetCodes).sort(), ["one", "two"]);
  });

  it("change their targets at once, keep what is known of those that stay, and end with an empty list", async () => {
    const { id, edge } = await live(target, other);
    await scene.market.hub.ask(edge, "restream.state", { stream: id, name: "one", code: null });
    await setTargets(id, target);
    await scene.until(() => told(edge).length === 2);
    assert.deepEqual(told(edge)[1]!.targets, [target]);
    assert.deepEqual((await row(id)).targetCodes, { one: null });
    await setTargets(id);
    await scene.until(() => told(edge).length === 3);
    assert.deepEqual(told(edge)[2]!.targets, []);
  });

  it("refuse targets that are none, two of a name, another's stream and one that is over", async () => {
    const { id } = await live(target);
    await assert.rejects(setTargets(id, { ...target, url: "file:///x/y" }), codeOf("RESTREAM_SCHEME_REFUSED"));
    await assert.rejects(setTargets(id, target, { name: "two", url: "rtmp://host/key" }), {
      detail: { code: "RESTREAM_URL_INVALID", target: "two" },
    });
    const short = { ...target, url: "srt://host:9000?passphrase=short" };
    await assert.rejects(setTargets(id, short), codeOf("RESTREAM_PASSPHRASE_INVALID"));
    await assert.rejects(setTargets(id, target, target), codeOf("RESTREAM_NAME_TWICE"));
    await assert.rejects(scene.create({ targets: [target, target] }), codeOf("RESTREAM_NAME_TWICE"));
    const stranger = scene.nodes[0].address;
    await assert.rejects(scene.market.balancer.setTargets(stranger, id, []), codeOf("STREAM_UNKNOWN"));
    const over = await scene.create();
    await scene.market.balancer.endStream(buyer(), over.id);
    await assert.rejects(setTargets(over.id, target), codeOf("STREAM_ENDED"));
  });

  it("are told to the edge that takes over, and again to one that comes back", async () => {
    // The ingest node is no edge meanwhile: it must stay when the edge goes.
    scene.nodes[0].refusals.set("job.assign", "JOB_CAPACITY_SHORT");
    const { id, edge } = await live(target);
    scene.nodes[0].refusals.clear();
    assert.notEqual(edge, scene.nodes[0]);
    scene.market.hub.leave(edge);
    scene.market.hub.join(edge);
    await scene.until(() => told(edge).length === 2);
    edge.jobs.clear();
    scene.market.hub.leave(edge);
    await pass(id, () => scene.nodes.some((node) => node !== edge && told(node).length > 0));
    const next = scene.nodes.find((node) => node !== edge && told(node).length > 0)!;
    assert.deepEqual(told(next)[0], { stream: id, slug: (await row(id)).slug, targets: [target] });
  });

  it("tell their buyer why an edge sends nothing, and ask it again", async () => {
    for (const node of scene.nodes) node.refusals.set("restream.set", "RESTREAM_DISABLED");
    const created = await scene.goLive(scene.nodes[0], { targets: [target] });
    await pass(created.id, async () => (await row(created.id)).targetCodes.one === "RESTREAM_DISABLED");
    const asked = () => scene.nodes.reduce((sum, node) => sum + told(node).length, 0);
    const before = asked();
    await pass(created.id, () => asked() > before);
    await goOn(created.id, 90);
    assert.ok(asked() < 10, `asked ${asked()} times in a minute and a half`);
    for (const node of scene.nodes) node.refusals.clear();
    await pass(created.id, () => holder() !== undefined);
  }).timeout(20_000);

  it("look for an edge at pauses that grow while no node will be one, and at once when one comes", async () => {
    // After its start the balancer looks after all jobs by itself.
    await scene.market.clock.advance(15_000);
    const { id } = await scene.goLive(scene.nodes[0], { targets: [target] });
    for (const node of scene.nodes) node.refusals.set("job.reserve", "JOB_CAPACITY_SHORT");
    const decisions = await scene.countDecisions();
    await goOn(id, 90);
    const made = (await scene.countDecisions()) - decisions;
    // Up to ten for each time that both edges are looked for.
    assert.ok(made >= 7 && made < 75, `${made} decisions in a minute and a half`);
    const [, , third] = scene.nodes;
    third.refusals.clear();
    scene.market.hub.join(third);
    let seconds = 0;
    await pass(id, () => {
      seconds += 1;
      return holder() !== undefined || seconds === 20;
    });
    assert.ok(seconds < 20 && holder() === third, `after ${seconds} seconds`);
  }).timeout(20_000);
});
