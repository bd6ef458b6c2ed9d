import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { initSegment } from "@leat/node/media/mp4/init.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import type { EdgeStream } from "@leat/node/services/delivery/edge-stream.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { fastify } from "fastify";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { readTrack } from "../../support/media/mp4-reader.ts";
import { MediaNode } from "../../support/media-network.ts";
import { publishInfo, publishItems, until } from "../../support/publish-items.ts";
import { wholeSegment } from "../../support/whole-segment.ts";

/** Fewer packets than an origin queues for its encoder: they are published faster than they were heard. */
const seconds = 10;
const pattern = { width: 160, height: 120, fps: 15, durationS: seconds, keyframeEveryS: 2 };
const shape = { height: 120, videoBitrate: 150_000, audioBitrate: 64_000 } as const;
/** A decoder's 32-bit floats, mono, at the groups' rate. */
const decoded = ["-f", "f32le", "-ac", "1", "-ar", "48000", "-"];
const sampleBytes = 4;
/** One AAC frame, the longer of the two codecs. */
const frameSamples = 1_024;

describe("the sound that an edge serves", function () {
  this.timeout(60_000);
  const nodes: MediaNode[] = [];
  const http = fastify();

  after(async () => {
    await http.close();
    await Promise.all(nodes.map((node) => node.stop()));
  });

  it("has no gap or overlap at any border, and stays with the picture", async () => {
    const balancer = new FakeBalancer([
      { name: "a", codec: "h264", ...shape },
      { name: "b", codec: "vp9", ...shape },
    ]);
    for (let index = 0; index < 3; index += 1) {
      const node = new MediaNode(balancer);
      nodes.push(node);
      await node.start();
    }
    const [origin, transcoder, edge] = nodes as [MediaNode, MediaNode, MediaNode];
    balancer.transcoders = [transcoder];
    const items = await readMedia({ pattern });
    const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
    await publishItems(sink, items.slice(0, 100));
    await balancer.until(() => balancer.jobs.length > 0);
    await balancer.assign(edge, balancer.deliverySpec());
    await publishItems(sink, items.slice(100));
    await sink.end({ clean: true });
    const stream = edge.delivery.findStream(balancer.slug)!;
    await until(() => stream.window.ended);
    await addLive(http, edge.delivery);
    const url = await http.listen({ host: "127.0.0.1", port: 0 });
    const starts = startsOf(stream, 1);
    assert.ok(starts.size >= 4);
    for (const { rung, name, kind } of stream.window.renditions) {
      if (kind !== "audio") continue;
      let end: number | undefined;
      let samples = 0;
      for (const { sequence, frames } of tracksOf(stream, rung)) {
        for (const frame of frames) {
          assert.equal(frame.dts, end ?? frame.dts, `${name} ${sequence}`);
          end = frame.dts + frame.duration;
          samples += frame.duration;
        }
        const apartMs = (frames[0]!.pts / 48_000 - starts.get(sequence)!) * 1000;
        assert.ok(Math.abs(apartMs) <= 40, `${name} ${sequence}: ${apartMs} ms from the picture`);
      }
      const playlist = `${url}/live/${balancer.slug}/${name}/index.m3u8`;
      const args = ["-v", "error", "-i", playlist, ...decoded];
      const { stdout, stderr } = await promisify(execFile)("ffmpeg", args, { encoding: "buffer", maxBuffer: 2 ** 26 });
      assert.equal(stderr.toString(), "");
      assert.ok(
        Math.abs(stdout.length / sampleBytes - samples) <= frameSamples,
        `${name}: ${stdout.length} of ${samples}`,
      );
      assert.ok(Math.abs(samples / 48_000 - seconds) <= 0.2, `${name}: ${samples} samples`);
    }
  });
});

function tracksOf(stream: EdgeStream, rung: number) {
  const { name } = stream.window.renditions.find((info) => info.rung === rung)!;
  return stream.window.held(rung).map(({ sequence, configVersion }) => {
    const init = initSegment(stream.window.config(name, configVersion)!);
    return { sequence, ...readTrack(Buffer.concat([init, wholeSegment(stream, rung, sequence)!])) };
  });
}

/** When the first picture of each segment shows, seconds of its epoch. */
function startsOf(stream: EdgeStream, rung: number): Map<number, number> {
  return new Map(tracksOf(stream, rung).map(({ sequence, frames }) => [sequence, frames[0]!.pts / 90_000]));
}
