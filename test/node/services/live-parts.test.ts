import assert from "node:assert/strict";
import { checkStream } from "@leat/node/media/inspect/check-stream.ts";
import { initSegment } from "@leat/node/media/mp4/init.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import type { EdgeStream } from "@leat/node/services/delivery/edge-stream.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import type { MediaItem } from "@leat/transcoder/tools/media-item.ts";
import { fastify } from "fastify";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { fetchFile, readNumbers } from "../../support/hls-judge.ts";
import { MediaNode } from "../../support/media-network.ts";
import { publishInfo, publishItems, until } from "../../support/publish-items.ts";
import { wholeSegment } from "../../support/whole-segment.ts";

const ladder: Ladder = [
  { name: "240p", codec: "h264", height: 240, videoBitrate: 300_000, audioBitrate: 64_000 },
  { name: "120p", codec: "h264", height: 120, videoBitrate: 150_000, audioBitrate: 64_000 },
];
const fps = 30;
const durationS = 5;

describe("parts ahead of their segment, from a publisher to an edge", function () {
  this.timeout(120_000);
  const nodes: MediaNode[] = [];
  const balancer = new FakeBalancer(ladder);
  let items: MediaItem[];

  before(async () => {
    items = await readMedia({
      pattern: { width: 320, height: 240, fps, durationS, keyframeEveryS: 2, bFrames: 0 },
    });
  });

  after(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  async function startNode(): Promise<MediaNode> {
    const node = new MediaNode(balancer);
    nodes.push(node);
    await node.start();
    return node;
  }

  it("keeps every part when a transcoder dies within a segment, and pays the rest to who made it", async () => {
    const [origin, first, second, edge] = [await startNode(), await startNode(), await startNode(), await startNode()];
    balancer.transcoders = [first];
    const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
    // The second segment begins at picture 60 and has some parts.
    const half = placeOf(items, 95);
    await publishItems(sink, items.slice(0, half));
    await balancer.until(() => balancer.renditions.length > 0);
    await balancer.assign(edge, balancer.deliverySpec());
    const stream = edge.delivery.findStream(balancer.slug)!;
    await until(() => [1, 2].every((rung) => stream.partBytes(rung, 1, 2) !== undefined));
    await balancer.until(() => (balancer.published.get("h264") ?? -1) >= 0);
    const http = fastify();
    await addLive(http, edge.delivery);
    const url = await http.listen({ host: "127.0.0.1", port: 0 });
    try {
      assert.match(stream.window.playlist("240p")!, /\n#EXT-X-PART:DURATION=0\.23\d+,URI="1\.2\.m4s"\n/);
      assert.deepEqual((await checkStream(`${url}/live/${balancer.slug}/master.m3u8`, fetchFile)).findings, []);
      const seen = partsOf(stream);
      await first.crash();
      balancer.transcoders = [first, second];
      await balancer.replaceJob("h264");
      await publishItems(sink, items.slice(half));
      await sink.end({ clean: true });
      await balancer.until(() => balancer.of("publish.end").length > 0);
      await until(() => stream.window.ended);
      for (const [place, bytes] of seen) assert.deepEqual(bytes, partsOf(stream).get(place), place);
      for (const name of ["240p", "120p"]) assert.deepEqual(await numbersOf(stream, name), range(0, fps * durationS));
      assert.deepEqual((await checkStream(`${url}/live/${balancer.slug}/master.m3u8`, fetchFile)).findings, []);
      const taken = [...seen.keys()].filter((place) => place.startsWith("1 1 ")).length;
      const receipts = balancer.of("receipt.submit").flatMap(({ body }) => (body.kind === "transcode" ? [body] : []));
      assert.deepEqual(
        receipts.map(({ receipt: { value } }) => [
          Number(value.seq),
          value.attempt,
          Number(value.firstFrame),
          value.frames,
        ]),
        [
          [0, 1, 0, 60],
          [1, 2, 60 + 7 * taken, 60 - 7 * taken],
          [2, 2, 120, 30],
        ],
      );
      const rest = receipts[1]!.leaves.filter(({ rung }) => rung === 1);
      assert.deepEqual(
        rest.map(({ part, sha256 }) => [part, sha256]),
        stream.window
          .segment("240p", 1)!
          .parts.map(({ sha256 }, part) => [part, sha256])
          .slice(taken),
      );
      assert.deepEqual(balancer.of("job.failed"), []);
    } finally {
      await http.close();
    }
  });
});

/** What viewers can fetch now, by rung, sequence and part. */
function partsOf(stream: EdgeStream): Map<string, Uint8Array> {
  const parts = new Map<string, Uint8Array>();
  for (const { rung } of stream.window.renditions) {
    for (const sequence of [0, 1, 2]) {
      for (let part = 0; ; part += 1) {
        const bytes = stream.partBytes(rung, sequence, part);
        if (bytes === undefined) break;
        parts.set(`${rung} ${sequence} ${part}`, Uint8Array.from(bytes));
      }
    }
  }
  return parts;
}

async function numbersOf(stream: EdgeStream, name: string): Promise<number[]> {
  const { rung, width, height } = stream.window.rendition(name)!;
  const numbers: number[] = [];
  for (const { sequence, configVersion } of stream.window.held(rung)) {
    const init = initSegment(stream.window.config(name, configVersion)!);
    numbers.push(...(await readNumbers(Buffer.concat([init, wholeSegment(stream, rung, sequence)!]), width!, height!)));
  }
  return numbers;
}

/** Where picture `number` stands in decode order. */
function placeOf(items: readonly MediaItem[], number: number): number {
  let pictures = 0;
  return items.findIndex((item) => {
    if (item.type === "frame" && item.frame.kind === "video") pictures += 1;
    return pictures > number;
  });
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
