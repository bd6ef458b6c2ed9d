import assert from "node:assert/strict";
import { createRtmpServer } from "@leat/node/media-io/rtmp/server.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { FlvTag } from "@leat/transcoder/bitstream/flv.ts";
import type { Ladder } from "@leat/transcoder/ladder.ts";
import { FlvWriter } from "@leat/transcoder/tools/flv.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { RtmpPublisher } from "@leat/transcoder/tools/rtmp-client.ts";
import { FakeBalancer } from "../../support/fake-balancer.ts";
import { measureHeldBytes } from "../../support/held-memory.ts";
import { MediaNode } from "../../support/media-network.ts";

const MB = 2 ** 20;
const ladder: Ladder = [{ name: "90p", codec: "h264", height: 90, videoBitrate: 150_000, audioBitrate: 64_000 }];
const pattern = { width: 160, height: 120, fps: 25, durationS: 1, audio: false };
const SECONDS = 40;
/** Filling data, which every decoder leaves out, with its length before it: 256 KiB. */
const FILLING = Buffer.concat([Buffer.from([0, 4, 0, 0, 0x0c]), Buffer.alloc(MB / 4 - 2, 0xff), Buffer.of(0x80)]);
/** What is kept of a source for those who come late. */
const KEPT_BYTES = 16 * MB;
/** Whole segments, what is on its way, and the heap: with what is kept a quarter of what is sent. */
const ROOM_BYTES = 48 * MB;

describe("a source that sends far more than may be kept", function () {
  this.timeout(60_000);
  const balancer = new FakeBalancer(ladder);
  const node = new MediaNode(balancer, { ingestOptions: { sourceBytes: KEPT_BYTES, endWaitMs: 100 } });
  const server = createRtmpServer({
    host: "127.0.0.1",
    port: 0,
    authorize: (key, info) => node.ingest.authorize(key, info),
    logger: silentLogger,
    maxBytesPerSecond: 1_000 * MB,
  });

  before(async () => {
    await node.start();
    await server.start();
  });

  after(async () => {
    await server.stop();
    await node.stop();
  });

  it("leaves the node with what it keeps, while all of it is taken", async () => {
    const writer = new FlvWriter();
    const tags = (await readMedia({ pattern })).flatMap((item) => writer.write(item));
    const [config, ...pictures] = tags as [FlvTag, ...FlvTag[]];
    const publisher = await RtmpPublisher.open(`${server.url}/${balancer.streamKey}`);
    await publisher.send(config.type, config.timeMs, config.body);
    const before = measureHeldBytes();
    let most = 0;
    for (let second = 0; second < SECONDS; second += 1) {
      for (const { type, timeMs, body } of pictures) {
        await publisher.send(type, timeMs + second * 1_000, Buffer.concat([body, FILLING]));
      }
      if (second % 5 === 4) most = Math.max(most, measureHeldBytes() - before);
    }
    await publisher.unpublish();
    await balancer.until(() => balancer.of("publish.end").length > 0);
    assert.equal(balancer.of("publish.end")[0]!.body.frames, pictures.length * SECONDS);
    most = Math.max(most, measureHeldBytes() - before);
    // Less than that means that what others let go of meanwhile hides what is held here.
    assert.ok(most >= KEPT_BYTES / 2, `only ${Math.round(most / MB)} MiB are seen to be held`);
    assert.ok(most <= KEPT_BYTES + ROOM_BYTES, `${Math.round(most / MB)} MiB are held`);
  });
});
