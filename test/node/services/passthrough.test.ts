import assert from "node:assert/strict";
import { checkStream } from "@leat/node/media/inspect/check-stream.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import type { EdgeStream } from "@leat/node/services/delivery/edge-stream.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { type FastifyInstance, fastify } from "fastify";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { fetchFile, type JudgedRung, judgeMaster } from "../../support/hls-judge.ts";
import { MediaNode } from "../../support/media-network.ts";
import { publishInfo, publishItems, until } from "../../support/publish-items.ts";

const pattern = { width: 320, height: 240, fps: 15, durationS: 7, keyframeEveryS: 2, bFrames: 2 };
const ladder: Ladder = [{ name: "120p", codec: "h264", height: 120, videoBitrate: 150_000, audioBitrate: 64_000 }];
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);

describe("a source that is delivered as it comes in", function () {
  this.timeout(60_000);
  const nodes: MediaNode[] = [];
  let http: FastifyInstance | undefined;

  afterEach(async () => {
    await http?.close();
    http = undefined;
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  async function startNode(balancer: FakeBalancer): Promise<MediaNode> {
    const node = new MediaNode(balancer);
    nodes.push(node);
    await node.start();
    return node;
  }

  /** Publishes the pattern at one node and has another one serve it, to its end. */
  async function play(balancer: FakeBalancer, shape: typeof pattern): Promise<{ stream: EdgeStream; url: string }> {
    const [origin, edge] = [await startNode(balancer), await startNode(balancer)];
    const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
    await publishItems(sink, await readMedia({ pattern: shape }));
    await balancer.until(() => balancer.renditions.length > 0);
    await balancer.assign(edge, balancer.deliverySpec());
    const stream = edge.delivery.findStream(balancer.slug)!;
    // Nothing holds the end up here: an edge that is still to come would find the stream gone.
    await until(() => stream.newest >= 0);
    await sink.end({ clean: true });
    await balancer.until(() => balancer.of("publish.end").length > 0);
    await until(() => stream.window.ended);
    http = fastify();
    await addLive(http, edge.delivery);
    const url = `${await http.listen({ host: "127.0.0.1", port: 0 })}/live/${balancer.slug}/master.m3u8`;
    return { stream, url };
  }

  const framesOf = ({ segments }: JudgedRung) => [...segments.values()].flat();

  it("plays without a transcoder, part by part what the ingest node signed for", async () => {
    const balancer = new FakeBalancer([], { passthrough: true });
    const { stream, url } = await play(balancer, pattern);
    const [source, ...others] = await judgeMaster(url);
    assert.deepEqual([source!.name, others.length, framesOf(source!)], ["source", 0, numbers(0, 105)]);
    assert.deepEqual((await checkStream(url, fetchFile)).findings, []);

    const receipts = balancer.of("receipt.submit").map(({ body }) => body);
    assert.deepEqual([...new Set(receipts.map(({ kind }) => kind))], ["ingest"]);
    const signed = receipts.flatMap(({ leaves }) => leaves.filter(({ rung }) => rung === 0));
    const served = stream.window.held(0).flatMap(({ parts }) => parts.map(({ sha256 }) => sha256));
    assert.ok(served.length > 4);
    assert.deepEqual(
      served,
      signed.map(({ sha256 }) => sha256),
    );
  });

  it("stands beside the rungs of a ladder, with the same pictures in the same segments", async () => {
    const balancer = new FakeBalancer(ladder, { passthrough: true });
    balancer.transcoders = [await startNode(balancer)];
    const { url } = await play(balancer, pattern);
    const rungs = await judgeMaster(url);
    assert.deepEqual(rungs.map(({ name }) => name).sort(), ["120p", "source"]);
    assert.deepEqual([...rungs[0]!.segments], [...rungs[1]!.segments]);
    assert.deepEqual((await checkStream(url, fetchFile)).findings, []);
  });

  it("is left out of segments that begin without a key frame, and comes back with the next one", async () => {
    const balancer = new FakeBalancer([], { passthrough: true });
    // What another node published before had parts so long.
    balancer.grant = { partTargetMs: 230 };
    const { stream, url } = await play(balancer, { ...pattern, durationS: 15, keyframeEveryS: 11, bFrames: 0 });
    const [source] = await judgeMaster(url);
    const [first, ...later] = source!.segments.entries();
    // Boundaries stand at 0 s and 11 s, and by force behind 4 s and 8 s.
    assert.deepEqual([source!.gaps, first, later.map(([sequence]) => sequence)], [2, [0, numbers(0, 61)], [3]]);
    assert.deepEqual(later[0]![1], numbers(165, 225));
    assert.match(stream.window.playlist("source")!, /PART-TARGET=0\.23000\n/);
    assert.deepEqual((await checkStream(url, fetchFile)).findings, []);
  });
});
