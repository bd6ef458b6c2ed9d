import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { checkStream } from "@leat/node/media/inspect/check-stream.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import { createRtmpServer, type RtmpServer } from "@leat/node/media-io/rtmp/server.ts";
import { planRenditions } from "@leat/node/services/balancer/renditions.ts";
import { type Logger, silentLogger } from "@leat/sdk/base/logger.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { type FastifyInstance, fastify } from "fastify";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { fetchFile } from "../../support/hls-judge.ts";
import { MediaNode } from "../../support/media-network.ts";
import { publishInfo, publishItems, until } from "../../support/publish-items.ts";

const run = promisify(execFile);
const RATE = 16_000;
const ladder: Ladder = [
  { name: "240p", codec: "h264", height: 240, videoBitrate: 300_000, audioBitrate: 96_000 },
  { name: "120p-vp9", codec: "vp9", height: 120, videoBitrate: 150_000, audioBitrate: 64_000 },
];

describe("a stream of sound alone", function () {
  this.timeout(60_000);
  let balancer: FakeBalancer;
  let server: RtmpServer | undefined;
  let http: FastifyInstance | undefined;
  const nodes: MediaNode[] = [];

  beforeEach(() => {
    balancer = new FakeBalancer(ladder);
  });

  afterEach(async () => {
    await http?.close();
    await server?.stop();
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    http = undefined;
    server = undefined;
  });

  async function startNode(logger: Logger = silentLogger): Promise<MediaNode> {
    const node = new MediaNode(balancer, { logger });
    nodes.push(node);
    await node.start();
    return node;
  }

  /** All that a player hears of a playlist, as the ffmpeg program decodes it. */
  async function listen(url: string): Promise<{ samples: Float32Array; complaints: string }> {
    const output = ["-map", "0:a:0", "-ac", "1", "-ar", `${RATE}`, "-f", "f32le", "-"];
    const { stdout, stderr } = await run("ffmpeg", ["-v", "warning", "-nostdin", "-i", url, ...output], {
      encoding: "buffer",
      maxBuffer: 64 * 2 ** 20,
    });
    return { samples: new Float32Array(Uint8Array.from(stdout).buffer), complaints: stderr.toString() };
  }

  it("plays as sound alone, all of it, from a real publisher to a real player", async () => {
    const [origin, edge] = [await startNode(), await startNode()];
    server = createRtmpServer({
      host: "127.0.0.1",
      port: 0,
      authorize: (key, info) => origin.ingest.authorize(key, info),
      logger: silentLogger,
    });
    await server.start();
    const tone = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=9", "-c:a", "aac", "-ac", "2"];
    await run("ffmpeg", ["-v", "error", "-nostdin", ...tone, "-f", "flv", `${server.url}/${balancer.streamKey}`]);
    await balancer.until(() => balancer.renditions.length > 0);
    const [ready] = balancer.of("source.ready");
    assert.deepEqual(ready!.body.source, {
      audio: { codec: "aac", codecString: "mp4a.40.2", sampleRate: 44_100, channels: 2 },
    });
    await balancer.assign(edge, balancer.deliverySpec());
    const stream = edge.delivery.findStream(balancer.slug)!;
    await balancer.until(() => balancer.of("publish.end").length > 0);
    await until(() => stream.window.ended);

    http = fastify();
    await addLive(http, edge.delivery);
    const url = await http.listen({ host: "127.0.0.1", port: 0 });
    for (const file of ["master.m3u8", "master-vp9.m3u8"]) {
      const { samples, complaints } = await listen(`${url}/live/${balancer.slug}/${file}`);
      assert.equal(complaints, "", file);
      // What the encoders add at both ends is less than a tenth of a second.
      assert.ok(Math.abs(samples.length / RATE - 9) < 0.1, `${file}: ${samples.length / RATE} s`);
      const loud = Array.from({ length: 88 }, (_, at) => loudness(samples.subarray(at * 1_600, (at + 1) * 1_600)));
      assert.ok(loud.slice(1).every((level) => level > 0.05 && level < 0.2));
    }
    assert.deepEqual((await checkStream(`${url}/live/${balancer.slug}/master.m3u8`, fetchFile)).findings, []);
    const receipts = balancer.of("receipt.submit").map(({ body }) => body);
    assert.deepEqual(
      receipts.map(({ kind, receipt: { value } }) => [kind, value.seq, value.frames, value.firstFrame]),
      [0n, 1n, 2n, 3n, 4n].map((seq) => ["ingest", seq, 0, 0n]),
    );
    const heardMs = receipts.reduce((sum, { receipt }) => sum + receipt.value.durationMs, 0);
    assert.ok(Math.abs(heardMs - 9_000) < 100, `${heardMs} ms`);
    const { lastSequence, frames } = balancer.of("publish.end")[0]!.body;
    assert.deepEqual([lastSequence, frames], [4, 0]);
  });

  it("is known as such at its end where it is shorter than the wait for a picture", async () => {
    const origin = await startNode();
    const items = await readMedia({ pattern: { width: 64, height: 48, fps: 10, durationS: 2 } });
    const sound = items.filter((item) => (item.type === "config" ? item.config : item.frame).kind === "audio");
    const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
    await publishItems(sink, sound);
    assert.equal(balancer.of("source.ready").length, 0);
    await sink.end({ clean: true });
    await balancer.until(() => balancer.of("publish.end").length > 0);
    const published = balancer.of("segment.published").map(({ body }) => [...body.rungs, body.sequence]);
    assert.deepEqual(published.sort(), [
      [100, 0],
      [101, 0],
    ]);
  });

  it("stays one when a picture comes too late, and is none while a picture is announced", async () => {
    const lines: string[] = [];
    const note = (message: string) => void lines.push(message);
    const logger: Logger = { error: note, warn: note, info: () => {}, debug: () => {}, child: () => logger };
    const origin = await startNode(logger);
    const items = await readMedia({ pattern: { width: 64, height: 48, fps: 10, durationS: 6 } });
    const kindOf = (item: (typeof items)[number]) => (item.type === "config" ? item.config : item.frame).kind;
    const sound = items.filter((item) => kindOf(item) === "audio");
    const picture = items.filter((item) => kindOf(item) === "video");

    const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
    await publishItems(sink, [...sound, ...picture]);
    // Whoever listens does not wait for the end.
    const heard = () => balancer.of("segment.published").filter(({ body }) => body.rungs.includes(100));
    await balancer.until(() => heard().length >= 2);
    await sink.end({ clean: true });
    await balancer.until(() => balancer.of("publish.end").length > 0);
    assert.deepEqual(Object.keys(balancer.of("source.ready")[0]!.body.source), ["audio"]);
    assert.equal(lines.filter((line) => line.startsWith("Ignore picture")).length, 1);
    assert.equal(balancer.of("publish.end")[0]!.body.frames, 0);

    const second = new FakeBalancer(ladder);
    const other = new MediaNode(second);
    nodes.push(other);
    await other.start();
    const announced = await other.ingest.authorize(second.streamKey, publishInfo());
    await publishItems(announced, [picture[0]!, ...sound, ...picture.slice(1)]);
    await second.until(() => second.of("source.ready").length > 0);
    assert.deepEqual(Object.keys(second.of("source.ready")[0]!.body.source).sort(), ["audio", "video"]);
    await announced.end({ clean: true });
  });

  it("becomes AAC and Opus whatever the ladder's families", () => {
    const audio = { codec: "opus", codecString: "opus", sampleRate: 48_000, channels: 2 } as const;
    for (const [rungs, ...bitrates] of [
      [ladder, 96_000, 64_000],
      [ladder.slice(0, 1), 96_000, 96_000],
      [ladder.slice(1), 64_000, 64_000],
    ] as const) {
      const { renditions, families } = planRenditions({ ladder: [...rungs], passthrough: false }, { audio });
      assert.deepEqual(
        renditions.map(({ rung, name, bitrate }) => [rung, name, bitrate]),
        [
          [100, "audio-aac", bitrates[0]],
          [101, "audio-opus", bitrates[1]],
        ],
      );
      assert.equal(families.size, 0);
    }
  });
});

function loudness(samples: Float32Array): number {
  return Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
}
