import assert from "node:assert/strict";
import { checkStream } from "@leat/node/media/inspect/check-stream.ts";
import { addLive } from "@leat/node/media-io/hls/routes.ts";
import type { LadderRequest } from "@leat/sdk/protocol/job.ts";
import { fastify } from "fastify";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { fetchFile, judgeMaster } from "../../support/hls-judge.ts";
import { at, range, useMediaPath } from "../../support/media-path-scene.ts";

const ladder: LadderRequest = [
  { name: "180p", codec: "h264", height: 180, videoBitrate: 200_000, audioBitrate: 64_000 },
  { name: "120p-hevc", codec: "hevc", height: 120, videoBitrate: 150_000, audioBitrate: 64_000 },
  { name: "120p-av1", codec: "av1", height: 120, videoBitrate: 150_000, audioBitrate: 64_000 },
];

/** Two segments. */
const FRAMES = 45;

describe("a ladder of H.264, HEVC and AV1", function () {
  this.timeout(60_000);
  const scene = useMediaPath();
  const { startNode, begin, watch, finish } = scene;

  it("is transcoded, checked, paid by the codec, and delivered with every frame of every rung", async () => {
    scene.balancer = new FakeBalancer(ladder);
    const [origin, transcoder, edge] = [await startNode(), await startNode(), await startNode()];
    scene.balancer.transcoders = [transcoder];
    const sink = await begin(origin, scene.items.slice(0, at(scene.items, FRAMES)));
    const stream = await watch(edge);
    await finish(sink, stream);
    const http = fastify();
    await addLive(http, edge.delivery);
    const live = `${await http.listen({ host: "127.0.0.1", port: 0 })}/live/${scene.balancer.slug}`;
    try {
      const rungs = await judgeMaster(`${live}/master.m3u8`);
      assert.deepEqual(rungs.map(({ name }) => name).sort(), ["120p-av1", "120p-hevc", "180p"]);
      for (const { name, segments, gaps } of rungs) {
        assert.deepEqual([...segments.values()].flat(), range(0, FRAMES), name);
        assert.equal(gaps, 0, name);
      }
      assert.deepEqual((await checkStream(`${live}/master.m3u8`, fetchFile)).findings, []);
      const lists = [
        await (await fetch(`${live}/master.m3u8`)).text(),
        await (await fetch(`${live}/manifest.mpd`)).text(),
      ];
      for (const list of lists) {
        assert.match(list, /codecs="avc1\.64/i);
        assert.match(list, /codecs="hvc1\.1\.6\.L/i);
        assert.match(list, /codecs="av01\.0\.\d\dM\.08/i);
      }
      const alone = await (await fetch(`${live}/master-av1.m3u8`)).text();
      assert.match(alone, /CODECS="av01\.0\.\d\dM\.08,opus"/);
      assert.ok(!alone.includes("avc1"));
    } finally {
      await http.close();
    }
    const checks = scene.balancer.of("check.submit").map(({ body }) => body.check.value);
    assert.equal(checks.length, 6);
    const sold = scene.balancer.of("receipt.submit").filter(({ body }) => body.kind === "transcode");
    assert.equal(sold.length, 6);
    assert.deepEqual(scene.balancer.of("job.failed"), []);
  });
});
