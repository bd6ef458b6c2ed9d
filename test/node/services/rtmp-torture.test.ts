import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createRtmpServer, type RtmpServer } from "@leat/node/media-io/rtmp/server.ts";
import { type Logger, silentLogger } from "@leat/sdk/base/logger.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { FlvWriter } from "@leat/transcoder/tools/flv.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { RtmpPublisher } from "@leat/transcoder/tools/rtmp-client.ts";
import { publishEnhanced } from "../../support/enhanced-files.ts";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { MediaNode } from "../../support/media-network.ts";
import { until } from "../../support/publish-items.ts";
import { pattern, strangePictures, tone, x264 } from "../../support/strange-pictures.ts";

const run = promisify(execFile);
const ladder: Ladder = [{ name: "90p", codec: "h264", height: 90, videoBitrate: 150_000, audioBitrate: 64_000 }];

const twoSeconds = { width: 160, height: 120, fps: 25, durationS: 2, keyframeEveryS: 1 };
const HOUR_MS = 3_600_000;
/** Where a tag stands on a publisher's clock that does what encoders' clocks do, after a second. */
const clocks: readonly { name: string; clock: (timeMs: number) => number; epochs: number }[] = [
  { name: "a clock that begins anew at 32 bits", clock: (timeMs) => (timeMs + 2 ** 32 - 1_000) % 2 ** 32, epochs: 1 },
  {
    name: "a clock that jumps ahead by an hour",
    clock: (timeMs) => timeMs + (timeMs < 1_000 ? 0 : HOUR_MS),
    epochs: 2,
  },
  {
    name: "a clock that goes back by an hour",
    clock: (timeMs) => timeMs + (timeMs < 1_000 ? HOUR_MS : 0),
    epochs: 2,
  },
  {
    name: "a clock that goes back by an hour between key frames",
    clock: (timeMs) => timeMs + (timeMs < 1_500 ? HOUR_MS : 0),
    epochs: 2,
  },
];

describe("strange publishers by RTMP", function () {
  this.timeout(60_000);
  let directory = "";
  let server: RtmpServer | undefined;
  let balancer: FakeBalancer;
  const nodes: MediaNode[] = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "leat-torture-"));
  });

  beforeEach(() => {
    balancer = new FakeBalancer(ladder);
  });

  afterEach(async () => {
    await server?.stop();
    server = undefined;
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  after(() => rm(directory, { recursive: true, force: true }));

  async function startNode(): Promise<MediaNode> {
    const node = new MediaNode(balancer);
    nodes.push(node);
    await node.start();
    return node;
  }

  async function startServer(origin: MediaNode, logger: Logger = silentLogger): Promise<string> {
    const authorize = (key: string, info: Parameters<typeof origin.ingest.authorize>[1]) =>
      origin.ingest.authorize(key, info);
    server = createRtmpServer({ host: "127.0.0.1", port: 0, authorize, logger });
    await server.start();
    return `${server.url}/${balancer.streamKey}`;
  }

  /** What an edge has of all that somebody published, every picture of it. */
  async function playAll(frames: number, publishTo: (url: string) => Promise<unknown>) {
    const [origin, transcoder, edge] = [await startNode(), await startNode(), await startNode()];
    balancer.transcoders = [transcoder];
    await publishTo(await startServer(origin));
    await balancer.until(() => balancer.renditions.length > 0);
    await balancer.assign(edge, balancer.deliverySpec());
    const stream = edge.delivery.findStream(balancer.slug)!;
    await balancer.until(() => balancer.of("publish.end").length > 0);
    await until(() => stream.window.ended);
    const held = stream.window.held(1);
    assert.equal(
      held.reduce((sum, segment) => sum + segment.frames, 0),
      frames,
    );
    assert.equal(balancer.of("publish.end")[0]!.body.frames, frames);
    assert.ok(balancer.of("check.submit").every(({ body }) => body.check.value.verdict === checkVerdicts.passed));
    assert.ok(held.every(({ durationTicks }) => Math.round(durationTicks / 90_000) <= 4));
    return held;
  }

  for (const { name, flags, frames, segments } of strangePictures) {
    it(`${name}: every frame arrives, in every segment`, async () => {
      const held = await playAll(frames, (url) =>
        run("ffmpeg", ["-v", "error", "-nostdin", ...flags, "-f", "flv", url]),
      );
      assert.equal(held.length, segments);
    });
  }

  for (const { name, clock, epochs } of clocks) {
    it(`${name}: every frame arrives, in ${epochs === 1 ? "one epoch" : "another epoch from there on"}`, async () => {
      const writer = new FlvWriter();
      const tags = (await readMedia({ pattern: twoSeconds })).flatMap((item) => writer.write(item));
      const held = await playAll(2 * twoSeconds.fps, async (url) => {
        const publisher = await RtmpPublisher.open(url);
        for (const { type, timeMs, body } of tags) await publisher.send(type, clock(timeMs), body);
        await publisher.unpublish();
      });
      assert.equal(new Set(held.map(({ epoch }) => epoch)).size, epochs);
    });
  }

  it("a publisher that says goodbye before its first frame: the stream ends, with nothing", async () => {
    const url = await startServer(await startNode());
    const publisher = await RtmpPublisher.open(url);
    await publisher.unpublish();
    await balancer.until(() => balancer.of("publish.end").length > 0);
    const { clean, frames, lastSequence } = balancer.of("publish.end")[0]!.body;
    assert.deepEqual([clean, frames, lastSequence], [true, 0, null]);
  });

  it("two tracks of sound: the first is taken, and the other told of once", async () => {
    const lines: string[] = [];
    const note = (message: string, facts?: object) => void lines.push(`${message} ${JSON.stringify(facts)}`);
    const logger: Logger = { error: note, warn: note, info: () => {}, debug: () => {}, child: () => logger };
    const origin = await startNode();
    const url = await startServer(origin, logger);
    const path = join(directory, "two.mkv");
    const inputs = [...pattern("160x120", 25, 2), ...tone(48_000, 2), ...tone(44_100, 2)];
    const maps = ["-map", "0:v", "-map", "1:a", "-map", "2:a", ...x264(), "-c:a", "aac", "-ac", "2"];
    await run("ffmpeg", ["-v", "error", "-nostdin", "-y", ...inputs, ...maps, path]);
    await publishEnhanced(path, url);
    await balancer.until(() => balancer.of("source.ready").length > 0);
    const { source } = balancer.of("source.ready")[0]!.body;
    assert.deepEqual([source.video?.codec, source.audio?.sampleRate], ["h264", 48_000]);
    assert.deepEqual(lines, [`Ignore further tracks of RTMP publisher {"kind":"audio","trackId":1}`]);
  });
});
