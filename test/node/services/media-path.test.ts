import assert from "node:assert/strict";
import { checkStream } from "@leat/node/media/inspect/check-stream.ts";
import { findOffered } from "@leat/node/media/playable.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import { fastify } from "fastify";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { fetchFile, judgeMaster } from "../../support/hls-judge.ts";
import { at, ladder, range, sequencesOf, useMediaPath } from "../../support/media-path-scene.ts";
import { publishItems } from "../../support/publish-items.ts";

describe("the media path, from a publisher to an edge", function () {
  this.timeout(60_000);
  const scene = useMediaPath();
  const { startNode, begin, watch, finish } = scene;

  it("gives viewers every frame exactly once, the same numbers under the same sequence in every rung", async () => {
    const [origin, transcoder, edge] = [await startNode(), await startNode(), await startNode()];
    scene.balancer.transcoders = [transcoder];
    const sink = await begin(origin, scene.items);
    const stream = await watch(edge);
    await finish(sink, stream);
    const http = fastify();
    await addLive(http, edge.delivery);
    const url = await http.listen({ host: "127.0.0.1", port: 0 });
    try {
      const rungs = await judgeMaster(`${url}/live/${scene.balancer.slug}/master.m3u8`);
      assert.deepEqual(rungs.map(({ name }) => name).sort(), ["120p", "120p-vp9", "240p"]);
      for (const { name, segments, gaps, discontinuities } of rungs) {
        assert.deepEqual([...segments.values()].flat(), range(0, 105), name);
        assert.deepEqual([...segments], [...rungs[0]!.segments], name);
        assert.deepEqual([gaps, discontinuities], [0, 0], name);
      }
      assert.deepEqual((await checkStream(`${url}/live/${scene.balancer.slug}/master.m3u8`, fetchFile)).findings, []);
    } finally {
      await http.close();
    }
    // Three pictures of 15 a second are 200 ms.
    for (const { name } of stream.window.renditions) {
      const listed = stream.window.playlist(name)!;
      assert.match(listed, /\n#EXT-X-PART-INF:PART-TARGET=0\.20800\n/, name);
      assert.match(listed, /\n#EXT-X-PART:/, name);
    }
    const audio = stream.window.renditions.filter(({ kind }) => kind === "audio");
    for (const { rung } of audio) assert.deepEqual(sequencesOf(stream, rung), [0, 1, 2, 3]);
    const receipts = scene.balancer.of("receipt.submit").map(({ body }) => `${body.kind} ${body.receipt.value.seq}`);
    const wanted = range(0, 4).flatMap((seq) => [`ingest ${seq}`, `transcode ${seq}`, `transcode ${seq}`]);
    assert.deepEqual(receipts.sort(), wanted.sort());
    assert.equal(scene.balancer.of("check.submit").length, 8);
    assert.deepEqual(scene.balancer.of("publish.end")[0]!.body, {
      stream: scene.balancer.stream,
      clean: true,
      lastSequence: 3,
      frames: 105,
    });
    assert.deepEqual(transcoder.workers.length, 2);
  });

  it("pays an edge for the bytes of the parts that went out, at most its budget", async () => {
    const [origin, transcoder, edge] = [await startNode(), await startNode(), await startNode()];
    scene.balancer.transcoders = [transcoder];
    const sink = await begin(origin, scene.items);
    const stream = await watch(edge);
    await finish(sink, stream);
    const [first, second] = stream.window.held(1);
    stream.count(1, first!.sequence, 0, first!.sizeBytes);
    stream.count(1, second!.sequence, 10, 30);
    const { job, attempt } = edge.desk.runningJobs()[0]!;
    await scene.balancer.ask(edge, "job.end", { job, attempt, code: "STREAM_ENDED" });
    await scene.balancer.until(
      () => scene.balancer.of("receipt.submit").filter(({ node }) => node === edge).length === 2,
    );
    const receipts = scene.balancer.of("receipt.submit").flatMap(({ node, body }) => (node === edge ? [body] : []));
    assert.deepEqual(
      receipts.map(({ receipt }) => receipt.value.sizeBytes),
      [BigInt(first!.sizeBytes), 20n],
    );
    const shas = first!.parts.map(({ sha256 }) => sha256);
    assert.deepEqual(
      receipts[0]!.leaves.map(({ sha256 }) => sha256),
      shas,
    );
    assert.deepEqual(
      edge.earned.map(({ exact }) => exact),
      [5n * BigInt(first!.sizeBytes), 100n],
    );
    assert.notEqual(edge.delivery.findStream(scene.balancer.slug), undefined);
  });

  it("gives players silence where the source's sound stops, so that they do not stop with it", async () => {
    scene.balancer = new FakeBalancer(ladder.slice(0, 1));
    const [origin, transcoder, edge] = [await startNode(), await startNode(), await startNode()];
    scene.balancer.transcoders = [transcoder];
    const silent = scene.items.filter((item) => item.type === "config" || item.frame.kind === "video");
    const [heard, rest] = [scene.items.slice(0, at(scene.items, 30)), silent.slice(at(silent, 30))];
    const sink = await begin(origin, heard);
    const stream = await watch(edge);
    await scene.balancer.until(() => scene.balancer.of("source.ready").length > 0);
    await publishItems(sink, rest);
    await finish(sink, stream);
    for (const { rung, kind } of findOffered(stream.window.renditions)) {
      if (kind !== "audio") continue;
      assert.deepEqual(sequencesOf(stream, rung), [0, 1, 2, 3]);
      const seconds = stream.window.held(rung).reduce((sum, segment) => sum + segment.durationTicks / 48_000, 0);
      assert.ok(Math.abs(seconds - 7) < 0.2, `${seconds} s`);
    }
  });
});
