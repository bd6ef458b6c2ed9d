import assert from "node:assert/strict";
import { checkStream } from "@leat/node/media/inspect/check-stream.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { type FastifyInstance, fastify } from "fastify";
import { codedVp8 } from "../../support/coded-track.ts";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { fetchFile } from "../../support/hls-judge.ts";
import { decodeFrames } from "../../support/media/ffmpeg.ts";
import { MediaNode } from "../../support/media-network.ts";
import { publishInfo, until } from "../../support/publish-items.ts";

const ladder: Ladder = [
  { name: "180p", codec: "h264", height: 180, videoBitrate: 300_000, audioBitrate: 64_000 },
  { name: "90p-vp9", codec: "vp9", height: 90, videoBitrate: 150_000, audioBitrate: 48_000 },
];
const ROUNDS = 3;

describe("a source in VP8", function () {
  this.timeout(60_000);
  let http: FastifyInstance | undefined;
  const nodes: MediaNode[] = [];

  afterEach(async () => {
    await http?.close();
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  async function startNode(balancer: FakeBalancer): Promise<MediaNode> {
    const node = new MediaNode(balancer);
    nodes.push(node);
    await node.start();
    return node;
  }

  it("is made into every rung, each segment checked and receipted, and is no rung itself", async () => {
    const balancer = new FakeBalancer(ladder, { passthrough: true });
    const origin = await startNode(balancer);
    balancer.transcoders = [await startNode(balancer)];
    const edge = await startNode(balancer);
    const sink = await origin.ingest.authorize(balancer.streamKey, { ...publishInfo(), videoCodec: "vp8" });
    // It becomes smaller after a while, as browsers' pictures do.
    const [large, small] = await Promise.all([codedVp8(), codedVp8("160x90")]);
    for (let round = 0; round < ROUNDS; round += 1) {
      const { config, frames } = round === ROUNDS - 1 ? small : large;
      // What the first pictures are decides.
      if (round === ROUNDS - 1) await balancer.until(() => balancer.renditions.length > 0);
      await sink.config("video", config);
      for (const { dts, key, data } of frames) {
        await sink.video({ dtsMs: dts / 90 + round * 2_000, ctsMs: 0, key, data });
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    assert.deepEqual(
      balancer.renditions.map(({ name, width, height }) => [name, width, height]),
      [
        ["180p", 320, 180],
        ["90p-vp9", 160, 90],
      ],
    );
    const { source } = balancer.of("source.ready")[0]!.body;
    assert.deepEqual(source.video, { codec: "vp8", codecString: "vp8", width: 320, height: 180 });
    await balancer.assign(edge, balancer.deliverySpec());
    const stream = edge.delivery.findStream(balancer.slug)!;
    await sink.end({ clean: true });
    await balancer.until(() => balancer.of("publish.end").length > 0);
    await until(() => stream.window.ended);

    const total = ROUNDS * 60;
    http = fastify();
    await addLive(http, edge.delivery);
    const url = `${await http.listen({ host: "127.0.0.1", port: 0 })}/live/${balancer.slug}`;
    for (const family of ["h264", "vp9"]) {
      const { checksums, complaints } = await decodeFrames(`${url}/master-${family}.m3u8`, ["-map", "0:v:0"]);
      assert.deepEqual([checksums.length, complaints], [total, ""]);
      // What was repeated would look like the picture before.
      assert.ok(new Set(checksums).size > total / 2, `${new Set(checksums).size} different pictures`);
    }
    assert.deepEqual((await checkStream(`${url}/master.m3u8`, fetchFile)).findings, []);
    const verdicts = balancer.of("check.submit").map(({ body }) => body.check.value.verdict);
    assert.deepEqual(verdicts, Array(2 * ROUNDS).fill(checkVerdicts.passed));
    const receipts = balancer.of("receipt.submit").map(({ body }) => body);
    const ingest = receipts.filter(({ kind }) => kind === "ingest");
    assert.equal(ingest.length, ROUNDS);
    assert.deepEqual(
      ingest.map(({ leaves }) => leaves.reduce((sum, { frames }) => sum + frames, 0)),
      Array(ROUNDS).fill(60),
    );
  });
});
