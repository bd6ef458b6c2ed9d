import assert from "node:assert/strict";
import { balancerOptions } from "@leat/node/services/balancer/options.ts";
import { useBalancer } from "../../../support/balancer-scene.ts";
import { defaultsOf } from "../../../support/defaults.ts";

const idleS = defaultsOf(balancerOptions).edgeIdleMs / 1_000;

describe("edges that nobody watches at", () => {
  const scene = useBalancer();

  async function served(changes: object = {}) {
    const created = await scene.goLive(scene.nodes[0], changes);
    const { id, slug } = created;
    const play = () => scene.market.balancer.play(slug);
    /** Second by second, in which the publisher goes on. */
    const pass = async (seconds: number, viewers: number) => {
      for (let second = 0; second < seconds; second += 1) {
        const going = { stream: id, lastFrameAgeMs: 0, sequence: null, frames: 0, isOver: false, published: [] };
        await scene.market.hub.ask(scene.nodes[0], "publish.renew", going);
        for (const { node } of scene.edgesOf(id)) scene.market.hub.tellViewers(node, viewers);
        await scene.market.clock.advance(1_000);
      }
    };
    const edges = () => scene.edgesOf(id).length;
    await play();
    assert.equal(edges(), 2);
    return { id, play, pass, edges };
  }

  it("end a while after the last has left, and are placed anew for whoever comes", async () => {
    scene.market.hub.leave(scene.nodes[3]);
    const { play, pass, edges } = await served();
    await pass(2 * idleS, 1);
    assert.ok(edges() >= 2);
    await pass(idleS - 2, 0);
    assert.equal(edges(), 2);
    await pass(4, 0);
    await scene.until(() => edges() === 0);
    // They have room, as they say themselves.
    for (const node of scene.nodes.slice(0, 3)) scene.market.hub.beat(node);
    const again = await play();
    assert.ok(again.primary !== null && again.fallback !== null);
    assert.equal(edges(), 2);
    await pass(idleS - 2, 0);
    assert.equal(edges(), 2);
  }).timeout(60_000);

  it("end where the buyer's agent alone looks on, which looks away to show it", async () => {
    const { id, pass, edges } = await served();
    const looksAt = () => (scene.nodes[3].told("stream.watch") as { edges: unknown[] }[]).at(-1)?.edges.length ?? 0;
    await scene.until(() => looksAt() === 2);
    await pass(idleS - 19, 1);
    await scene.until(() => looksAt() === 0);
    await pass(20, 0);
    await scene.until(() => edges() === 0);
    assert.deepEqual(scene.transcoders(id).length, 2);
  }).timeout(60_000);

  it("stay where the stream is sent on", async () => {
    const { pass, edges } = await served({ targets: [{ name: "one", url: "rtmp://live.example/app/s3cr3t" }] });
    await pass(idleS + 10, 0);
    assert.equal(edges(), 2);
  }).timeout(60_000);
});
