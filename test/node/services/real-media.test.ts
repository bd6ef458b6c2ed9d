import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { MediaNode } from "../../support/media-network.ts";
import { publishInfo, publishItems, until } from "../../support/publish-items.ts";

const folder = fileURLToPath(new URL("../../../../shared/media/", import.meta.url));
const files = [
  "test.flv",
  "videotest.mp4",
  "portrait.ts",
  "kryp-1.ts",
  "game-720p.ts",
  "skip_1.ts",
  "dvr-0.ts",
  "dvr-1.ts",
];
const ladder: Ladder = [
  { name: "120p", codec: "h264", height: 120, videoBitrate: 200_000, audioBitrate: 64_000 },
  { name: "120p-vp9", codec: "vp9", height: 120, videoBitrate: 150_000, audioBitrate: 48_000 },
];

describe("the media path with real files", function () {
  this.timeout(400_000);
  if (!existsSync(folder)) {
    it("is not tried: there is no ../shared/media beside the checkout");
    return;
  }
  const nodes: MediaNode[] = [];

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  it("publishes one after the other on one connection and loses no picture", async () => {
    const balancer = new FakeBalancer(ladder);
    for (let index = 0; index < 3; index += 1) {
      const node = new MediaNode(balancer);
      nodes.push(node);
      await node.start();
    }
    const [origin, transcoder, edge] = nodes as [MediaNode, MediaNode, MediaNode];
    balancer.transcoders = [transcoder];
    const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
    let pictures = 0;
    for (const file of files) {
      const items = await readMedia(`${folder}${file}`);
      pictures += items.filter((item) => item.type === "frame" && item.frame.kind === "video").length;
      await publishItems(sink, items);
      await balancer.until(() => balancer.jobs.length > 0);
      if (edge.desk.runningJobs().length === 0) await balancer.assign(edge, balancer.deliverySpec());
    }
    await sink.end({ clean: true });
    await balancer.until(() => balancer.of("publish.end").length > 0);
    const stream = edge.delivery.findStream(balancer.slug)!;
    await until(() => stream.window.ended);
    assert.deepEqual(
      balancer.of("job.failed").map(({ body }) => body.code),
      [],
    );
    const failed = balancer.of("check.submit").flatMap(({ body }) => body.code ?? []);
    assert.deepEqual(failed, []);
    const { frames, lastSequence } = balancer.of("publish.end")[0]!.body;
    assert.equal(frames, pictures);
    const receipts = balancer.of("receipt.submit").map(({ body }) => body);
    for (const job of [...balancer.jobs.map(({ job }) => job)]) {
      const own = receipts.filter(({ receipt }) => receipt.value.job === job);
      assert.equal(
        own.reduce((sum, { receipt }) => sum + receipt.value.frames, 0),
        pictures,
      );
      assert.equal(own.length, lastSequence! + 1);
    }
  });
});
