import assert from "node:assert/strict";
import { balancerOptions } from "@leat/node/services/balancer/options.ts";
import { StreamBook } from "@leat/node/services/balancer/stream-book.ts";
import { ViewerDemand } from "@leat/node/services/balancer/viewer-demand.ts";
import { useBalancer } from "../../../support/balancer-scene.ts";
import { defaultsOf } from "../../../support/defaults.ts";

const idleS = defaultsOf(balancerOptions).edgeIdleMs / 1_000;

const target = { name: "one", url: "rtmp://live.example/app/s3cr3t" };

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

  it("stay where somebody asks, or has the stream sent on, in the moment in which they end", async () => {
    scene.market.hub.leave(scene.nodes[3]);
    const { id, play, pass, edges } = await served();
    const { exclusively } = StreamBook.prototype;
    const asks = async () => {
      const asked = Promise.withResolvers<void>();
      const { want } = ViewerDemand.prototype;
      ViewerDemand.prototype.want = function (stream) {
        want.call(this, stream);
        asked.resolve();
      };
      void play();
      await asked.promise;
      ViewerDemand.prototype.want = want;
    };
    const meanwhile = [asks, () => scene.market.balancer.setTargets(scene.nodes[3].address, id, [target])];
    try {
      for (const act of meanwhile) {
        let isReached = false;
        const goOn = Promise.withResolvers<void>();
        await pass(idleS - 10, 0);
        StreamBook.prototype.exclusively = async function (stream, work) {
          StreamBook.prototype.exclusively = exclusively;
          isReached = true;
          await goOn.promise;
          return exclusively.call(this, stream, work) as never;
        };
        while (!isReached) await pass(1, 0);
        await act();
        goOn.resolve();
        await pass(4, 0);
        assert.equal(edges(), 2);
      }
    } finally {
      StreamBook.prototype.exclusively = exclusively;
    }
  }).timeout(60_000);

  it("keep nobody waiting whose node hangs when it is told to end", async () => {
    scene.market.hub.leave(scene.nodes[3]);
    const { id, play, pass, edges } = await served();
    const [{ node }] = scene.edgesOf(id) as [ReturnType<typeof scene.edgesOf>[0]];
    const { answer } = node;
    const [reached, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    node.answer = async (method, body) => {
      if (method === "job.end") reached.resolve();
      if (method === "job.end") await goOn.promise;
      return answer.call(node, method, body);
    };
    await pass(idleS + 2, 0);
    await reached.promise;
    for (const one of scene.nodes.slice(0, 3)) scene.market.hub.beat(one);
    assert.ok((await play()).primary !== null);
    goOn.resolve();
    await scene.until(() => edges() === 2);
  }).timeout(60_000);

  it("stay where the stream is sent on", async () => {
    const { pass, edges } = await served({ targets: [target] });
    await pass(idleS + 10, 0);
    assert.equal(edges(), 2);
  }).timeout(60_000);
});
