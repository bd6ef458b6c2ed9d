import assert from "node:assert/strict";
import { once } from "node:events";
import { checkPlaylist } from "@leat/node/media/inspect/check-master.ts";
import { checkStream } from "@leat/node/media/inspect/check-stream.ts";
import { initSegment } from "@leat/node/media/mp4/init.ts";
import { findOffered } from "@leat/node/media/playable.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import type { PublishSink } from "@leat/node/media-io/publish-sink.ts";
import type { EdgeStream } from "@leat/node/services/delivery/edge-stream.ts";
import { type PackedSegment, packSegment } from "@leat/node/services/jobs/packed-segment.ts";
import type { MediaMessage } from "@leat/node/wire/media/message.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import type { LiveSpec } from "@leat/transcoder/engine.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { startLiveTranscode } from "@leat/transcoder/supervisor.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import type { MediaItem } from "@leat/transcoder/tools/media-item.ts";
import { fastify } from "fastify";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { fetchFile, judgeMaster, readNumbers } from "../../support/hls-judge.ts";
import { MediaNode, type NodeFaults } from "../../support/media-network.ts";
import { publishInfo, publishItems, until } from "../../support/publish-items.ts";

const ladder: Ladder = [
  { name: "240p", codec: "h264", height: 240, videoBitrate: 300_000, audioBitrate: 64_000 },
  { name: "120p", codec: "h264", height: 120, videoBitrate: 150_000, audioBitrate: 64_000 },
  { name: "120p-vp9", codec: "vp9", height: 120, videoBitrate: 150_000, audioBitrate: 48_000 },
];
const pattern = { width: 320, height: 240, fps: 15, durationS: 7, keyframeEveryS: 2, bFrames: 0 };

describe("the media path, from a publisher to an edge", function () {
  this.timeout(60_000);
  let items: MediaItem[];
  const nodes: MediaNode[] = [];
  let balancer: FakeBalancer;

  before(async () => {
    items = await readMedia({ pattern });
  });

  beforeEach(() => {
    balancer = new FakeBalancer(ladder);
  });

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  async function startNode(faults: NodeFaults = {}): Promise<MediaNode> {
    const node = new MediaNode(balancer, faults);
    nodes.push(node);
    await node.start();
    return node;
  }

  /** Publishes `items` at a new connection; the stream is then open still. */
  async function begin(node: MediaNode, from: readonly MediaItem[]): Promise<PublishSink> {
    const sink = await node.ingest.authorize(balancer.streamKey, publishInfo());
    await publishItems(sink, from);
    return sink;
  }

  async function watch(edge: MediaNode): Promise<EdgeStream> {
    await balancer.until(() => balancer.renditions.length > 0);
    await balancer.assign(edge, balancer.deliverySpec());
    return edge.delivery.findStream(balancer.slug)!;
  }

  async function finish(sink: PublishSink, stream: EdgeStream): Promise<void> {
    await sink.end({ clean: true });
    await balancer.until(() => balancer.of("publish.end").length > 0);
    await until(() => stream.window.ended);
  }

  const published = (family: string) => balancer.published.get(family) ?? -1;

  it("gives viewers every frame exactly once, the same numbers under the same sequence in every rung", async () => {
    const [origin, transcoder, edge] = [await startNode(), await startNode(), await startNode()];
    balancer.transcoders = [transcoder];
    const sink = await begin(origin, items);
    const stream = await watch(edge);
    await finish(sink, stream);
    const http = fastify();
    await addLive(http, edge.delivery);
    const url = await http.listen({ host: "127.0.0.1", port: 0 });
    try {
      const rungs = await judgeMaster(`${url}/live/${balancer.slug}/master.m3u8`);
      assert.deepEqual(rungs.map(({ name }) => name).sort(), ["120p", "120p-vp9", "240p"]);
      for (const { name, segments, gaps, discontinuities } of rungs) {
        assert.deepEqual([...segments.values()].flat(), range(0, 105), name);
        assert.deepEqual([...segments], [...rungs[0]!.segments], name);
        assert.deepEqual([gaps, discontinuities], [0, 0], name);
      }
      assert.deepEqual((await checkStream(`${url}/live/${balancer.slug}/master.m3u8`, fetchFile)).findings, []);
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
    const receipts = balancer.of("receipt.submit").map(({ body }) => `${body.kind} ${body.receipt.value.seq}`);
    const wanted = range(0, 4).flatMap((seq) => [`ingest ${seq}`, `transcode ${seq}`, `transcode ${seq}`]);
    assert.deepEqual(receipts.sort(), wanted.sort());
    assert.equal(balancer.of("check.submit").length, 8);
    assert.deepEqual(balancer.of("publish.end")[0]!.body, {
      stream: balancer.stream,
      clean: true,
      lastSequence: 3,
      frames: 105,
    });
    assert.deepEqual(transcoder.workers.length, 2);
  });

  it("pays an edge for the bytes of the parts that went out, at most its budget", async () => {
    const [origin, transcoder, edge] = [await startNode(), await startNode(), await startNode()];
    balancer.transcoders = [transcoder];
    const sink = await begin(origin, items);
    const stream = await watch(edge);
    await finish(sink, stream);
    const [first, second] = stream.window.held(1);
    stream.count(1, first!.sequence, 0, first!.sizeBytes);
    stream.count(1, second!.sequence, 10, 30);
    const { job, attempt } = edge.desk.runningJobs()[0]!;
    await balancer.ask(edge, "job.end", { job, attempt, code: "STREAM_ENDED" });
    await balancer.until(() => balancer.of("receipt.submit").filter(({ node }) => node === edge).length === 2);
    const receipts = balancer.of("receipt.submit").flatMap(({ node, body }) => (node === edge ? [body] : []));
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
    assert.notEqual(edge.delivery.findStream(balancer.slug), undefined);
  });

  it("loses and doubles no frame when a transcoder is killed within a segment", async () => {
    const [origin, first, second, edge] = [await startNode(), await startNode(), await startNode(), await startNode()];
    balancer.transcoders = [first];
    const sink = await begin(origin, items.slice(0, at(items, 50)));
    const stream = await watch(edge);
    await balancer.until(() => published("h264") >= 0 && published("vp9") >= 0);
    await first.crash();
    balancer.transcoders = [first, second];
    for (const { family } of balancer.jobs) await balancer.replaceJob(family);
    await publishItems(sink, items.slice(at(items, 50)));
    await finish(sink, stream);
    await judge(stream, range(0, 105));
  });

  it("tells the balancer of a worker that died, by its code", async () => {
    const [origin, transcoder] = [await startNode(), await startNode()];
    balancer.transcoders = [transcoder];
    await begin(origin, items.slice(0, at(items, 50)));
    await balancer.until(() => transcoder.workers.length === 2 && published("h264") >= 0 && published("vp9") >= 0);
    process.kill(transcoder.workers[0]!.pid!, "SIGKILL");
    await balancer.until(() => balancer.of("job.failed").length > 0);
    const { node, body } = balancer.of("job.failed")[0]!;
    assert.deepEqual([node, body.code, body.attempt], [transcoder, "TRANSCODE_WORKER_LOST", 1]);
    assert.equal(transcoder.desk.runningJobs().length, 1);
  });

  it("continues the sequence when another node takes the publisher over, with one discontinuity", async () => {
    const [lost, next, transcoder, edge] = [await startNode(), await startNode(), await startNode(), await startNode()];
    balancer.transcoders = [transcoder];
    await begin(lost, items.slice(0, at(items, 62)));
    const stream = await watch(edge);
    await balancer.until(() => published("h264") >= 0 && published("vp9") >= 0);
    await until(() => [1, 2, 3].every((rung) => stream.window.held(rung).length > 0));
    const started = transcoder.workers.length;
    await lost.crash();
    const known = await balancer.ask(edge, "stream.position", { stream: balancer.stream });
    const startSequence = 1 + Math.max(known.sequence ?? 0, published("h264"), published("vp9"));
    balancer.grant = { startSequence, startFrame: 60, startEpoch: 1, discontinuity: true };
    const sink = await next.ingest.authorize(balancer.streamKey, publishInfo());
    const origin = balancer.originOf(next);
    for (const { job, attempt } of balancer.jobs) {
      await balancer.ask(transcoder, "job.update", { job, attempt, origin, startSequence });
    }
    const { job, attempt } = edge.desk.runningJobs()[0]!;
    await balancer.ask(edge, "job.update", { job, attempt, origin });
    await publishItems(sink, [...items.filter(({ type }) => type === "config"), ...items.slice(at(items, 60))]);
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
    balancer.transcoders = [transcoder];
    const sink = await begin(origin, items.slice(0, at(items, 50)));
    const stream = await watch(edge);
    await balancer.until(() => published("h264") >= 0);
    for (const node of [transcoder, edge]) node.host.disconnect(origin.address);
    await publishItems(sink, items.slice(at(items, 50), at(items, 80)));
    for (const node of [transcoder, edge]) node.host.disconnect(origin.address);
    await publishItems(sink, items.slice(at(items, 80)));
    await finish(sink, stream);
    await judge(stream, range(0, 105));
    const keys = balancer.of("receipt.submit").map(({ body }) => `${body.receipt.value.job} ${body.receipt.value.seq}`);
    assert.equal(new Set(keys).size, keys.length);
    assert.deepEqual(balancer.of("job.failed"), []);
  });

  it("stops a job at its credit limit and says so", async () => {
    const [origin, transcoder] = [await startNode(), await startNode()];
    balancer.transcoders = [transcoder];
    const sink = await begin(origin, items.slice(0, at(items, 50)));
    await balancer.until(() => published("h264") >= 0 && published("vp9") >= 0);
    transcoder.mayWork = "CREDIT_EXHAUSTED";
    await publishItems(sink, items.slice(at(items, 50)));
    await balancer.until(() => balancer.of("job.failed").length === 2);
    assert.deepEqual(
      balancer.of("job.failed").map(({ body }) => body.code),
      ["CREDIT_EXHAUSTED", "CREDIT_EXHAUSTED"],
    );
    assert.deepEqual(transcoder.desk.runningJobs(), []);
    assert.deepEqual(transcoder.desk.capacity().transcodePixelsPerSecond.free, 60_000_000);
  });

  it("ends a stream at its credit limit, and says where it is the balancer that does not answer", async () => {
    for (const [away, code] of [
      [false, "INGEST_LEASE_LOST"],
      [true, "INGEST_BALANCER_AWAY"],
    ] as const) {
      const origin = await startNode();
      const sink = await begin(origin, items.slice(0, at(items, 50)));
      balancer.away = away;
      if (away) await once(balancer.events, "missed");
      origin.mayWork = "CREDIT_EXHAUSTED";
      await assert.rejects(publishItems(sink, items.slice(at(items, 50))), { code });
      await sink.end({ clean: false });
      await origin.stop();
    }
  });

  it("tells the publisher why the balancer ended its stream, where the buyer can pay for no more", async () => {
    for (const [reason, code] of [
      ["STREAM_RESERVE_SPENT", "STREAM_RESERVE_SPENT"],
      ["PUBLISH_LEASE_LOST", "INGEST_LEASE_LOST"],
    ] as const) {
      const origin = await startNode();
      const sink = await begin(origin, items.slice(0, at(items, 50)));
      balancer.renewRefusal = reason;
      await balancer.until(() => balancer.of("job.failed").some(({ body }) => body.code === code));
      await assert.rejects(publishItems(sink, items.slice(at(items, 50))), { code });
      balancer.renewRefusal = undefined;
      await origin.stop();
    }
  });

  it("refuses a wrong key, and a job that was given to somebody else or by nobody", async () => {
    const [origin, transcoder, stranger] = [await startNode(), await startNode(), await startNode()];
    balancer.transcoders = [transcoder];
    await assert.rejects(origin.ingest.authorize("wrong", publishInfo()), { code: "STREAM_KEY_UNKNOWN" });
    await begin(origin, items.slice(0, at(items, 50)));
    await balancer.until(() => published("h264") >= 0);
    const { assignment } = await balancer.terms(transcoder, balancer.deliverySpec());
    const subscribe = {
      type: "subscribe",
      role: "edge",
      assignment,
      stream: balancer.stream,
      fromSequence: 0,
    } as const;
    const tried = await stranger.host.openMedia(origin.host.multiaddrs(), origin.address);
    await tried.send(subscribe);
    const answers: MediaMessage[] = [];
    for await (const message of tried.messages) answers.push(message);
    assert.deepEqual(answers, [{ type: "refused", code: "JOB_ASSIGNMENT_NODE_WRONG" }]);
    const forged = { ...assignment, value: { ...assignment.value, node: stranger.address } };
    const again = await stranger.host.openMedia(origin.host.multiaddrs(), origin.address);
    await again.send({ ...subscribe, assignment: forged });
    for await (const message of again.messages) answers.push(message);
    assert.deepEqual(answers[1], { type: "refused", code: "JOB_ASSIGNMENT_SIGNER_WRONG" });
  });

  it("waits for a publisher whose connection broke, and goes on where it was", async () => {
    const [origin, transcoder, edge] = [await startNode(), await startNode(), await startNode()];
    balancer.transcoders = [transcoder];
    const broken = await begin(origin, items.slice(0, at(items, 40)));
    const stream = await watch(edge);
    await broken.end({ clean: false });
    const sink = await begin(origin, [...items.filter(({ type }) => type === "config"), ...items.slice(at(items, 60))]);
    await finish(sink, stream);
    await judge(stream, [...range(0, 40), ...range(60, 105)]);
    assert.equal(balancer.of("source.ready").length, 1);
  });

  it("drops a transcoder whose work is not what its receipt says, before anybody pays it", async () => {
    const faults: Record<string, NodeFaults> = {
      CHECK_HASH: { pack: (segment) => (segment.rung === 1 ? alterPart(packSegment(segment)) : packSegment(segment)) },
      CHECK_FRAMES: { startTranscode: dropFrames },
      CHECK_SIZE: { startTranscode: (spec, events) => startLiveTranscode(shrink(spec), events) },
    };
    for (const [code, fault] of Object.entries(faults)) {
      balancer = new FakeBalancer(ladder.slice(0, 1));
      const [origin, liar, honest, edge] = [
        await startNode(),
        await startNode(fault),
        await startNode(),
        await startNode(),
      ];
      balancer.transcoders = [liar];
      const sink = await begin(origin, items);
      const stream = await watch(edge);
      await balancer.until(() => balancer.of("job.failed").length > 0 && balancer.of("check.submit").length > 0);
      assert.equal(balancer.of("job.failed")[0]!.body.code, "CHECK_FAILED", code);
      assert.deepEqual(
        balancer.of("check.submit").map(({ body }) => [body.code, body.check.value.verdict]),
        [[code, checkVerdicts.failed]],
      );
      assert.equal(published("h264"), -1);
      balancer.transcoders = [liar, honest];
      await balancer.replaceJob("h264");
      await finish(sink, stream);
      await judge(stream, range(0, 105));
    }
  });

  it("drops a transcoder that begins behind a segment that nobody made, and viewers see no gap", async () => {
    balancer = new FakeBalancer(ladder.slice(0, 1));
    const [origin, hasty, honest, edge] = [await startNode(), await startNode(), await startNode(), await startNode()];
    balancer.transcoders = [hasty];
    // It asks for the second segment, though nobody made the first.
    balancer.published.set("h264", 0);
    const sink = await begin(origin, items);
    const stream = await watch(edge);
    await balancer.until(() => balancer.of("job.failed").length > 0 || published("h264") > 0);
    assert.deepEqual(
      balancer.of("job.failed").map(({ body }) => [body.code, body.sequence]),
      [["CHECK_FAILED", 1]],
    );
    balancer.published.clear();
    balancer.transcoders = [hasty, honest];
    await balancer.replaceJob("h264");
    await finish(sink, stream);
    await judge(stream, range(0, 105));
  });

  it("gives players silence where the source's sound stops, so that they do not stop with it", async () => {
    balancer = new FakeBalancer(ladder.slice(0, 1));
    const [origin, transcoder, edge] = [await startNode(), await startNode(), await startNode()];
    balancer.transcoders = [transcoder];
    const silent = items.filter((item) => item.type === "config" || item.frame.kind === "video");
    const [heard, rest] = [items.slice(0, at(items, 30)), silent.slice(at(silent, 30))];
    const sink = await begin(origin, heard);
    const stream = await watch(edge);
    await balancer.until(() => balancer.of("source.ready").length > 0);
    await publishItems(sink, rest);
    await finish(sink, stream);
    for (const { rung, kind } of findOffered(stream.window.renditions)) {
      if (kind !== "audio") continue;
      assert.deepEqual(sequencesOf(stream, rung), [0, 1, 2, 3]);
      const seconds = stream.window.held(rung).reduce((sum, segment) => sum + segment.durationTicks / 48_000, 0);
      assert.ok(Math.abs(seconds - 7) < 0.2, `${seconds} s`);
    }
  });

  /**
   * Reads every picture that the edge holds: the numbers under each sequence, the same in every rung that has it. One
   * that an origin left half done may be shorter in a rung, where `wanted` does not say.
   */
  async function judge(stream: EdgeStream, wanted?: readonly number[]): Promise<number[]> {
    const known = new Map<number, number[]>();
    for (const { name, rung, kind, width, height } of stream.window.renditions) {
      if (kind === "audio") continue;
      const own: number[] = [];
      for (const { sequence, configVersion } of stream.window.held(rung)) {
        const init = initSegment(stream.window.config(name, configVersion)!);
        const media = Buffer.concat([init, stream.bytes(rung, sequence)!]);
        const numbers = await readNumbers(media, width!, height!);
        const other = known.get(sequence) ?? numbers;
        const [short, long] = numbers.length < other.length ? [numbers, other] : [other, numbers];
        assert.deepEqual(long.slice(0, short.length), short, `${name} ${sequence}`);
        known.set(sequence, long);
        own.push(...numbers);
      }
      assert.deepEqual(own, wanted ?? own, name);
    }
    return [...known].sort(([left], [right]) => left - right).flatMap(([, numbers]) => numbers);
  }
});

/** Where picture `number` stands in decode order, or what must come with it. */
function at(items: readonly MediaItem[], number: number): number {
  let pictures = 0;
  return items.findIndex((item) => {
    if (item.type === "frame" && item.frame.kind === "video") pictures += 1;
    return pictures > number;
  });
}

function alterPart(packed: PackedSegment): PackedSegment {
  const [first, ...rest] = packed.parts;
  const sha256 = Uint8Array.from(first!.sha256, (byte, index) => (index === 0 ? byte ^ 1 : byte));
  return { ...packed, parts: [{ ...first!, sha256 }, ...rest] };
}

const dropFrames: typeof startLiveTranscode = (spec, events) => {
  let frames = 0;
  return startLiveTranscode(spec, {
    ...events,
    frame: (index, sequence, frame) => {
      frames += 1;
      if (frames % 10 !== 0) events.frame(index, sequence, frame);
    },
  });
};

function shrink(spec: LiveSpec): LiveSpec {
  return { ...spec, rungs: spec.rungs.map((rung) => ({ ...rung, width: rung.width / 2, height: rung.height / 2 })) };
}

const sequencesOf = (stream: EdgeStream, rung: number) => stream.window.held(rung).map(({ sequence }) => sequence);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
