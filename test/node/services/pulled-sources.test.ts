import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { initSegment } from "@leat/node/media/mp4/init.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { writePattern } from "@leat/transcoder/tools/media.ts";
import { fastify } from "fastify";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { makeHls, serveFiles } from "../../support/hls-files.ts";
import { judgeMaster } from "../../support/hls-judge.ts";
import { withDirectory } from "../../support/media/ffmpeg.ts";
import { MediaNode } from "../../support/media-network.ts";
import { until } from "../../support/publish-items.ts";
import { RtspSource, recordRtsp } from "../../support/rtsp-source.ts";
import { SourceServer } from "../../support/source-server.ts";
import { makeTs } from "../../support/ts-files.ts";
import { wholeSegment } from "../../support/whole-segment.ts";

const bye = Uint8Array.of(0x81, 203, 0, 1, 0, 0, 0, 1);
const ladder: Ladder = [{ name: "120p", codec: "h264", height: 120, videoBitrate: 150_000, audioBitrate: 64_000 }];
const pattern = { width: 160, height: 120, fps: 15, durationS: 6, keyframeEveryS: 2, bFrames: 0 };

describe("pulled sources, from the source to an edge", function () {
  this.timeout(60_000);
  let ts: Uint8Array;
  let server: SourceServer;
  let node: MediaNode;
  let balancer: FakeBalancer;

  before(async () => {
    server = await SourceServer.open();
    ts = await withDirectory(async (directory) => {
      const file = join(directory, "pattern.flv");
      await writePattern(file, pattern);
      return makeTs("-i", file, "-c", "copy");
    });
  });
  after(() => server.close());
  beforeEach(async () => {
    server.asked.length = 0;
    balancer = new FakeBalancer(ladder);
    node = new MediaNode(balancer);
    await node.start();
    balancer.transcoders = [node];
  });
  afterEach(() => node.stop());

  /** Every number that viewers see, by segment, and how often the clock was set anew. */
  async function watch(url: string, at = node): Promise<{ numbers: readonly number[]; discontinuities: number }> {
    await balancer.ask(at, "pull.begin", { stream: balancer.stream, url });
    await balancer.until(() => balancer.renditions.length > 0);
    await balancer.assign(at, balancer.deliverySpec());
    const stream = at.delivery.findStream(balancer.slug)!;
    at.viewers = 3;
    const told = at.desk.runningJobs().flatMap(({ primitive, viewers }) => (primitive === "delivery" ? [viewers] : []));
    assert.deepEqual(told, [3]);
    await until(() => stream.window.ended);
    const http = fastify();
    await addLive(http, at.delivery);
    const base = await http.listen({ host: "127.0.0.1", port: 0 });
    try {
      const [rung] = await judgeMaster(`${base}/live/${balancer.slug}/master.m3u8`);
      assert.equal(rung!.gaps, 0);
      return { numbers: [...rung!.segments.values()].flat(), discontinuities: rung!.discontinuities };
    } finally {
      await http.close();
    }
  }

  const range = (count: number) => Array.from({ length: count }, (_, at) => at);

  it("shows every picture of a transport stream by HTTP once, and ends with it", async () => {
    server.answer = (_request, response) => response.writeHead(200, { "content-length": ts.length }).end(ts);
    const { numbers, discontinuities } = await watch(server.url());
    assert.deepEqual([numbers, discontinuities], [range(90), 0]);
    assert.deepEqual(balancer.of("publish.end")[0]!.body.clean, true);
    assert.deepEqual(
      balancer.of("pull.state").map(({ body }) => body.code),
      [null],
    );
  });

  it("shows every picture of HLS once, of fragmented MP4 as of transport streams", async () => {
    for (const type of ["fmp4", "mpegts"]) {
      balancer = new FakeBalancer(ladder);
      const other = new MediaNode(balancer);
      await other.start();
      balancer.transcoders = [other];
      try {
        const sound = type === "fmp4" ? ["-bsf:a", "aac_adtstoasc"] : [];
        const flags = ["-c", "copy", ...sound, "-hls_time", "2", "-hls_segment_type", type];
        const files = await withDirectory(async (directory) => {
          const file = join(directory, "pattern.ts");
          await writeFile(file, ts);
          return makeHls("-i", file, ...flags);
        });
        serveFiles(server, files);
        const { numbers, discontinuities } = await watch(server.url("/live.m3u8"), other);
        assert.deepEqual([numbers, discontinuities], [range(90), 0], type);
      } finally {
        await other.stop();
      }
    }
  });

  it("lets the G.711 of a camera be heard", async () => {
    const camera = await RtspSource.open();
    camera.recording = await withDirectory(async (directory) => {
      const file = join(directory, "pattern.ts");
      await writeFile(file, ts);
      return recordRtsp(["-i", file, "-c:v", "copy", "-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1"]);
    });
    const { description } = camera.recording;
    camera.recording = { ...camera.recording, description: description.replace("t=0 0", "t=0 0\r\na=range:npt=0-6") };
    camera.onPlay = (peer) => {
      peer.sendAll(camera.recording);
      for (const channel of [1, 3]) peer.send(channel, bye);
    };
    try {
      const { numbers } = await watch(camera.url());
      assert.deepEqual(numbers, range(90));
      const stream = node.delivery.findStream(balancer.slug)!;
      const told = balancer.of("source.ready").map(({ body }) => body.source.audio);
      assert.deepEqual(told, [{ codec: "pcma", codecString: "pcma", sampleRate: 8_000, channels: 1 }]);
      const heard = stream.window.renditions.filter(({ codec }) => codec === "aac");
      assert.equal(heard.length, 1);
      for (const { name, rung, codec } of heard) {
        const held = stream.window.held(rung);
        const init = initSegment(stream.window.config(name, held[0]!.configVersion)!);
        const file = Buffer.concat([init, ...held.map(({ sequence }) => wholeSegment(stream, rung, sequence)!)]);
        const { seconds, meanDb } = await listen(file);
        assert.ok(Math.abs(seconds - 6) < 0.25, `${codec}: ${seconds} s`);
        assert.ok(meanDb > -35, `${codec}: ${meanDb} dB`);
      }
    } finally {
      camera.close();
    }
  });

  it("goes on behind a source that was lost with a discontinuity, and loses no picture that came", async () => {
    server.answer = (_request, response) => {
      if (server.asked.length > 1) response.writeHead(200, { "content-length": ts.length });
      // Without a length, as a live source: its end is a loss.
      response.write(ts);
      response.end();
    };
    const { numbers, discontinuities } = await watch(server.url());
    assert.deepEqual([numbers, discontinuities], [[...range(90), ...range(90)], 1]);
  });
});

/** How long a sound lasts, and how loud it is, as the ffmpeg program hears it. */
async function listen(file: Uint8Array): Promise<{ seconds: number; meanDb: number }> {
  return withDirectory(async (directory) => {
    const path = join(directory, "sound.mp4");
    await writeFile(path, file);
    const flags = ["-hide_banner", "-nostdin", "-i", path, "-af", "volumedetect", "-f", "null", "-"];
    const { stderr } = await promisify(execFile)("ffmpeg", flags);
    const [samples, mean] = [/n_samples: (\d+)/, /mean_volume: (-?[\d.]+) dB/].map((one) =>
      Number(one.exec(stderr)?.[1]),
    );
    const channels = /Audio: .*\bstereo\b/.test(stderr) ? 2 : 1;
    return { seconds: samples! / channels / 48_000, meanDb: mean! };
  });
}
