import assert from "node:assert/strict";
import { checkPlaylist } from "@leat/node/media/inspect/check-master.ts";
import { packSegment } from "@leat/node/services/jobs/packed-segment.ts";
import type { MediaNode } from "../../support/media-network.ts";
import { at, range, sequencesOf, useMediaPath } from "../../support/media-path-scene.ts";
import { publishInfo, publishItems, until } from "../../support/publish-items.ts";

describe("the media path, where a part of it is lost", function () {
  this.timeout(60_000);
  const scene = useMediaPath();
  const { startNode, begin, watch, finish, published, judge } = scene;

  it("loses and doubles no frame when a transcoder is killed within a segment", async () => {
    const [origin, first, second, edge] = [await startNode(), await startNode(), await startNode(), await startNode()];
    scene.balancer.transcoders = [first];
    const sink = await begin(origin, scene.items.slice(0, at(scene.items, 50)));
    const stream = await watch(edge);
    await scene.balancer.until(() => published("h264") >= 0 && published("vp9") >= 0);
    await first.crash();
    scene.balancer.transcoders = [first, second];
    for (const { family } of scene.balancer.jobs) await scene.balancer.replaceJob(family);
    await publishItems(sink, scene.items.slice(at(scene.items, 50)));
    await finish(sink, stream);
    await judge(stream, range(0, 105));
  });

  it("tells the balancer of a worker that died, by its code", async () => {
    const [origin, transcoder] = [await startNode(), await startNode()];
    scene.balancer.transcoders = [transcoder];
    await begin(origin, scene.items.slice(0, at(scene.items, 50)));
    await scene.balancer.until(
      () => transcoder.workers.length === 2 && published("h264") >= 0 && published("vp9") >= 0,
    );
    process.kill(transcoder.workers[0]!.pid!, "SIGKILL");
    await scene.balancer.until(() => scene.balancer.of("job.failed").length > 0);
    const { node, body } = scene.balancer.of("job.failed")[0]!;
    assert.deepEqual([node, body.code, body.attempt], [transcoder, "TRANSCODE_WORKER_LOST", 1]);
    assert.equal(transcoder.desk.runningJobs().length, 1);
  });

  it("continues the sequence when another node takes the publisher over, with one discontinuity", async () => {
    const [lost, next, transcoder, edge] = [await startNode(), await startNode(), await startNode(), await startNode()];
    scene.balancer.transcoders = [transcoder];
    await begin(lost, scene.items.slice(0, at(scene.items, 62)));
    const stream = await watch(edge);
    await scene.balancer.until(() => published("h264") >= 0 && published("vp9") >= 0);
    await until(() => [1, 2, 3].every((rung) => stream.window.held(rung).length > 0));
    const started = transcoder.workers.length;
    await lost.crash();
    const known = await scene.balancer.ask(edge, "stream.position", { stream: scene.balancer.stream });
    const startSequence = 1 + Math.max(known.sequence ?? 0, published("h264"), published("vp9"));
    scene.balancer.grant = { startSequence, startFrame: 60, startEpoch: 1, discontinuity: true };
    const sink = await next.ingest.authorize(scene.balancer.streamKey, publishInfo());
    const origin = scene.balancer.originOf(next);
    for (const { job, attempt } of scene.balancer.jobs) {
      await scene.balancer.ask(transcoder, "job.update", { job, attempt, origin, startSequence });
    }
    const { job, attempt } = edge.desk.runningJobs()[0]!;
    await scene.balancer.ask(edge, "job.update", { job, attempt, origin });
    await publishItems(sink, [
      ...scene.items.filter(({ type }) => type === "config"),
      ...scene.items.slice(at(scene.items, 60)),
    ]);
    await finish(sink, stream);
    assert.equal(transcoder.workers.length, started + 2);
    const numbers = await judge(stream);
    assert.deepEqual(numbers.slice(numbers.indexOf(60)), range(60, 105));
    const sequences = sequencesOf(stream, 1);
    assert.deepEqual(
      sequences.filter((sequence) => sequence >= startSequence),
      [startSequence, startSequence + 1],
    );
    // A rung of which no part was whole lacks the segment that the lost node had begun.
    assert.ok(sequences.length >= startSequence + 1, `${sequences}`);
    assert.equal(stream.window.playlist("240p")!.split("#EXT-X-DISCONTINUITY\n").length, 2);
    // What is published faster than time passes has dates ahead of it, and the next node's begin behind them.
    for (const { name } of stream.window.renditions) {
      const findings = checkPlaylist(stream.window.playlist(name)!);
      assert.deepEqual(
        findings.filter(({ rule }) => rule !== "date-time-backward"),
        [],
      );
    }
    assert.deepEqual(stream.window.mpd()!.match(/<Period id="\d-/g), ['<Period id="0-', '<Period id="1-']);
  });

  it("goes on where it was when connections break, and signs no segment twice", async () => {
    const [origin, edge] = [await startNode(), await startNode()];
    const transcoder: MediaNode = await startNode({
      // Breaks just before the receipt is signed: the origin has the frames, and will not see the receipt.
      pack: (segment) => {
        if (segment.rung === 1 && segment.sequence === 1) transcoder.host.disconnect(origin.address);
        return packSegment(segment);
      },
    });
    scene.balancer.transcoders = [transcoder];
    const sink = await begin(origin, scene.items.slice(0, at(scene.items, 50)));
    const stream = await watch(edge);
    await scene.balancer.until(() => published("h264") >= 0);
    for (const node of [transcoder, edge]) node.host.disconnect(origin.address);
    await publishItems(sink, scene.items.slice(at(scene.items, 50), at(scene.items, 80)));
    for (const node of [transcoder, edge]) node.host.disconnect(origin.address);
    await publishItems(sink, scene.items.slice(at(scene.items, 80)));
    await finish(sink, stream);
    await judge(stream, range(0, 105));
    const keys = scene.balancer
      .of("receipt.submit")
      .map(({ body }) => `${body.receipt.value.job} ${body.receipt.value.seq}`);
    assert.equal(new Set(keys).size, keys.length);
    assert.deepEqual(scene.balancer.of("job.failed"), []);
  });

  it("waits for a publisher whose connection broke, and goes on where it was", async () => {
    const [origin, transcoder, edge] = [await startNode(), await startNode(), await startNode()];
    scene.balancer.transcoders = [transcoder];
    const broken = await begin(origin, scene.items.slice(0, at(scene.items, 40)));
    const stream = await watch(edge);
    await broken.end({ clean: false });
    const sink = await begin(origin, [
      ...scene.items.filter(({ type }) => type === "config"),
      ...scene.items.slice(at(scene.items, 60)),
    ]);
    await finish(sink, stream);
    await judge(stream, [...range(0, 40), ...range(60, 105)]);
    assert.equal(scene.balancer.of("source.ready").length, 1);
  });
});
