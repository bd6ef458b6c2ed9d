import assert from "node:assert/strict";
import { initSegment } from "@leat/node/media/mp4/init.ts";
import type { PublishSink } from "@leat/node/media-io/publish-sink.ts";
import type { EdgeStream } from "@leat/node/services/delivery/edge-stream.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import type { MediaItem } from "@leat/transcoder/tools/media-item.ts";
import { FakeBalancer } from "./fake-balancer.ts";
import { readNumbers } from "./hls-judge.ts";
import { MediaNode, type NodeFaults } from "./media-network.ts";
import { publishInfo, publishItems, until } from "./publish-items.ts";
import { wholeSegment } from "./whole-segment.ts";

export const ladder: Ladder = [
  { name: "240p", codec: "h264", height: 240, videoBitrate: 300_000, audioBitrate: 64_000 },
  { name: "120p", codec: "h264", height: 120, videoBitrate: 150_000, audioBitrate: 64_000 },
  { name: "120p-vp9", codec: "vp9", height: 120, videoBitrate: 150_000, audioBitrate: 48_000 },
];
const pattern = { width: 320, height: 240, fps: 15, durationS: 7, keyframeEveryS: 2, bFrames: 0 };

/** Pictures of 15 a second for seven seconds, in two families; nodes join as a test starts them, and stop with it. */
export function useMediaPath() {
  let items: MediaItem[];
  const nodes: MediaNode[] = [];

  before(async () => {
    items = await readMedia({ pattern });
  });

  beforeEach(() => {
    scene.balancer = new FakeBalancer(ladder);
  });

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  const scene = {
    balancer: new FakeBalancer(ladder),

    get items(): readonly MediaItem[] {
      return items;
    },

    async startNode(faults: NodeFaults = {}): Promise<MediaNode> {
      const node = new MediaNode(scene.balancer, faults);
      nodes.push(node);
      await node.start();
      return node;
    },

    /** Publishes `from` at a new connection; the stream is then open still. */
    async begin(node: MediaNode, from: readonly MediaItem[]): Promise<PublishSink> {
      const sink = await node.ingest.authorize(scene.balancer.streamKey, publishInfo());
      await publishItems(sink, from);
      return sink;
    },

    async watch(edge: MediaNode): Promise<EdgeStream> {
      const { balancer } = scene;
      await balancer.until(() => balancer.renditions.length > 0);
      await balancer.assign(edge, balancer.deliverySpec());
      return edge.delivery.findStream(balancer.slug)!;
    },

    async finish(sink: PublishSink, stream: EdgeStream): Promise<void> {
      const { balancer } = scene;
      await sink.end({ clean: true });
      await balancer.until(() => balancer.of("publish.end").length > 0);
      await until(() => stream.window.ended);
    },

    /** The last segment of a family that is out, -1 before the first. */
    published: (family: string) => scene.balancer.published.get(family) ?? -1,
    judge,
  };
  return scene;
}

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
      const media = Buffer.concat([init, wholeSegment(stream, rung, sequence)!]);
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

/** Where picture `number` stands in decode order, or what must come with it. */
export function at(items: readonly MediaItem[], number: number): number {
  let pictures = 0;
  return items.findIndex((item) => {
    if (item.type === "frame" && item.frame.kind === "video") pictures += 1;
    return pictures > number;
  });
}

export const sequencesOf = (stream: EdgeStream, rung: number) =>
  stream.window.held(rung).map(({ sequence }) => sequence);
export const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
