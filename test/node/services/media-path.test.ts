import assert from "node:assert/strict";
import { initSegment } from "@leat/node/media/mp4/init.ts";
import type { PublishSink } from "@leat/node/media-io/publish-sink.ts";
import type { EdgeStream } from "@leat/node/services/delivery/edge-stream.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import type { MediaItem } from "@leat/transcoder/tools/media-item.ts";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { readNumbers } from "../../support/hls-judge.ts";
import { MediaNode, type NodeFaults } from "../../support/media-network.ts";

const ladder: Ladder = [
  { name: "240p", codec: "h264", height: 240, videoBitrate: 300_000, audioBitrate: 64_000 },
  { name: "120p", codec: "h264", height: 120, videoBitrate: 150_000, audioBitrate: 64_000 },
  { name: "120p-vp9", codec: "vp9", height: 120, videoBitrate: 150_000, audioBitrate: 48_000 },
];
const pattern = { width: 320, height: 240, fps: 15, durationS: 7, keyframeEveryS: 2 };

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
    const node = new MediaNode(balancer, faults, () => undefined);
    nodes.push(node);
    await node.start();
    return node;
  }

  it("gives viewers every frame exactly once, the same numbers under the same sequence in every rung", async () => {
    const [origin, transcoder, edge] = [await startNode(), await startNode(), await startNode()];
    balancer.transcoders = [transcoder];
    const sink = await origin.ingest.authorize(balancer.streamKey, info());
    await publish(sink, items);
    await balancer.until(() => balancer.renditions.length > 0);
    await balancer.assign(edge, balancer.deliverySpec());
    await sink.end({ clean: true });
    await balancer.until(() => balancer.of("publish.end").length > 0);
    const stream = edge.delivery.findStream(balancer.slug)!;
    await ended(stream);
    await judge(stream, range(0, 105));
    const receipts = balancer.of("receipt.submit").map(({ body }) => body);
    const kinds = receipts.map(({ kind, receipt }) => `${kind} ${receipt.value.seq}`).sort();
    assert.deepEqual(
      kinds.filter((kind) => kind.startsWith("ingest")),
      ["ingest 0", "ingest 1", "ingest 2", "ingest 3"],
    );
    assert.equal(kinds.filter((kind) => kind.startsWith("transcode")).length, 8);
    assert.equal(balancer.of("check.submit").length, 8);
    assert.deepEqual(balancer.of("publish.end")[0]!.body.frames, 105);
  });

  async function judge(stream: EdgeStream, wanted: readonly number[]): Promise<void> {
    const bySequence: string[] = [];
    for (const { name, rung, kind, width, height } of stream.window.renditions) {
      const segments = stream.window.held(rung);
      if (kind === "audio") continue;
      const numbers: number[][] = [];
      for (const { sequence, configVersion } of segments) {
        const init = initSegment(stream.window.config(name, configVersion)!);
        const media = Buffer.concat([init, stream.bytes(rung, sequence)!]);
        numbers.push(await readNumbers(media, width!, height!));
      }
      assert.deepEqual(numbers.flat(), wanted, name);
      bySequence.push(JSON.stringify(segments.map(({ sequence }, index) => [sequence, numbers[index]])));
    }
    assert.equal(new Set(bySequence).size, 1);
  }
});

const info = () => ({ protocol: "rtmp", signal: new AbortController().signal }) as const;

async function publish(sink: PublishSink, items: readonly MediaItem[]): Promise<void> {
  for (const item of items) {
    if (item.type === "config") await sink.config(item.config.kind, item.config);
    else {
      const { kind, dts, pts, key, data } = item.frame;
      const toMs = (ticks: number) => Math.round((ticks * 1000) / (kind === "video" ? 90_000 : 48_000));
      if (kind === "audio") await sink.audio({ dtsMs: toMs(dts), data });
      else await sink.video({ dtsMs: toMs(dts), ctsMs: toMs(pts) - toMs(dts), key, data });
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function ended(stream: EdgeStream): Promise<void> {
  while (!stream.window.ended) await new Promise((resolve) => setTimeout(resolve, 20));
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
