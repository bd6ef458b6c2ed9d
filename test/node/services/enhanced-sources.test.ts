import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkStream } from "@leat/node/media/inspect/check-stream.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import { createRtmpServer, type RtmpServer } from "@leat/node/media-io/rtmp/server.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { type FastifyInstance, fastify } from "fastify";
import { encodeCase, enhancedCases, FRAMES, publishEnhanced } from "../../support/enhanced-files.ts";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { fetchFile } from "../../support/hls-judge.ts";
import { decodeFrames, encodeFragmented } from "../../support/media/ffmpeg.ts";
import { readTrack } from "../../support/media/mp4-reader.ts";
import { MediaNode } from "../../support/media-network.ts";
import { publishInfo, until } from "../../support/publish-items.ts";

const ladder: Ladder = [
  { name: "180p", codec: "h264", height: 180, videoBitrate: 300_000, audioBitrate: 64_000 },
  { name: "90p-vp9", codec: "vp9", height: 90, videoBitrate: 150_000, audioBitrate: 48_000 },
];

describe("a network that is published to by Enhanced RTMP", function () {
  this.timeout(60_000);
  let directory = "";
  let server: RtmpServer | undefined;
  let http: FastifyInstance | undefined;
  const nodes: MediaNode[] = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "leat-enhanced-"));
  });

  afterEach(async () => {
    await http?.close();
    await server?.stop();
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  after(() => rm(directory, { recursive: true, force: true }));

  async function startNode(balancer: FakeBalancer): Promise<MediaNode> {
    const node = new MediaNode(balancer);
    nodes.push(node);
    await node.start();
    return node;
  }

  for (const one of enhancedCases) {
    it(`gives viewers every picture of ${one.codec} with ${one.audio} in every rung, each segment checked`, async () => {
      const balancer = new FakeBalancer(ladder);
      const origin = await startNode(balancer);
      balancer.transcoders = [await startNode(balancer)];
      const edge = await startNode(balancer);
      const left = Promise.withResolvers<void>();
      server = createRtmpServer({
        host: "127.0.0.1",
        port: 0,
        authorize: async (key, info) => {
          const sink = await origin.ingest.authorize(key, info);
          const end = sink.end.bind(sink);
          sink.end = (how) => {
            left.resolve();
            return end(how);
          };
          return sink;
        },
        logger: silentLogger,
      });
      await server.start();
      await publishEnhanced(await encodeCase(one, directory), `${server.url}/${balancer.streamKey}`);
      // What it sent last may be taken in after it is gone.
      await left.promise;
      await balancer.until(() => balancer.renditions.length > 0);
      const { source } = balancer.of("source.ready")[0]!.body;
      assert.equal(source.audio!.codec, one.audio);
      assert.equal(source.video!.codec, one.codec);
      assert.match(source.video!.codecString, one.codecString);
      await balancer.assign(edge, balancer.deliverySpec());
      const stream = edge.delivery.findStream(balancer.slug)!;
      // FFmpeg's muxer hangs up without a goodbye: the publisher might come back.
      await origin.ingest.end(origin.desk.runningJobs()[0]!.job, 1, "STREAM_ENDED");
      await balancer.until(() => balancer.of("publish.end").length > 0);
      await until(() => stream.window.ended);

      assert.equal(balancer.of("publish.end")[0]!.body.frames, FRAMES);
      for (const { rung, kind } of stream.window.renditions) {
        const frames = stream.window.held(rung).reduce((sum, segment) => sum + segment.frames, 0);
        if (kind === "video") assert.equal(frames, FRAMES);
        else assert.ok(frames > 130, `${frames} packets`);
      }
      http = fastify();
      await addLive(http, edge.delivery);
      const url = await http.listen({ host: "127.0.0.1", port: 0 });
      for (const family of ["h264", "vp9"]) {
        const playlist = `${url}/live/${balancer.slug}/master-${family}.m3u8`;
        const { checksums, complaints } = await decodeFrames(playlist, ["-map", "0:v:0"]);
        assert.deepEqual([checksums.length, complaints], [FRAMES, ""]);
        assert.equal((await decodeFrames(playlist, ["-map", "0:a:0"])).complaints, "");
      }
      assert.deepEqual((await checkStream(`${url}/live/${balancer.slug}/master.m3u8`, fetchFile)).findings, []);
    });
  }

  it("goes on through another codec and another size in mid-stream", async () => {
    const balancer = new FakeBalancer(ladder);
    const origin = await startNode(balancer);
    balancer.transcoders = [await startNode(balancer)];
    const edge = await startNode(balancer);
    const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
    const pieces = [
      ["320x180", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2"],
      ["640x360", "-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-x265-params", "log-level=none"],
      ["160x90", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
      ["320x240", "-c:v", "libsvtav1", "-preset", "12"],
    ];
    let frames = 0;
    for (const [index, [size, ...flags]] of pieces.entries()) {
      const source = ["-f", "lavfi", "-i", `testsrc2=size=${size}:rate=25:duration=1`];
      const track = readTrack(await encodeFragmented(source, [...flags, "-g", "25", "-pix_fmt", "yuv420p"]));
      sink.config("video", track.config);
      for (const { dts, pts, key, data } of track.frames) {
        sink.video({ dtsMs: dts / 90 + index * 1_000, ctsMs: (pts - dts) / 90, key, data });
        frames += 1;
      }
    }
    assert.equal(frames, 100);
    await balancer.until(() => balancer.renditions.length > 0);
    await balancer.assign(edge, balancer.deliverySpec());
    const stream = edge.delivery.findStream(balancer.slug)!;
    await sink.end({ clean: true });
    await balancer.until(() => balancer.of("publish.end").length > 0);
    await until(() => stream.window.ended);
    for (const { rung } of stream.window.renditions) {
      assert.deepEqual(
        stream.window.held(rung).map((segment) => segment.frames),
        [25, 25, 25, 25],
      );
    }
    const checked = balancer.of("check.submit").map(({ body }) => body.check.value.verdict);
    assert.deepEqual(checked, Array(8).fill(checkVerdicts.passed));
  });
});
