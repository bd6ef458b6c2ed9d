import assert from "node:assert/strict";
import { createRtmpServer } from "@leat/node/media-io/rtmp/server.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { FlvWriter } from "@leat/transcoder/tools/flv.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { RtmpPublisher } from "@leat/transcoder/tools/rtmp-client.ts";
import { HaltingRelay } from "../../support/halting-relay.ts";
import { RecorderSink } from "../../support/recorder-sink.ts";

/** More than lies between two acknowledgements, which a server writes while it reads. */
const PICTURES = 200;
const FILLING = Buffer.concat([Buffer.from([0, 1, 0, 0, 0x0c]), Buffer.alloc(65_534, 0xff), Buffer.of(0x80)]);

describe("transcoder/tools/rtmp-client", function () {
  this.timeout(20_000);

  it("leaves once the server has read all of it and the goodbye, however late that is", async () => {
    const ended = Promise.withResolvers<boolean>();
    let taken = 0;
    const sink = {
      config: async () => {},
      audio: async () => {},
      async video() {
        for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        taken += 1;
      },
      end: async ({ clean }: { clean: boolean }) => ended.resolve(clean),
    };
    const server = createRtmpServer({ host: "127.0.0.1", port: 0, authorize: async () => sink, logger: silentLogger });
    await server.start();
    try {
      const publisher = await RtmpPublisher.open(`${server.url}/key`);
      const writer = new FlvWriter();
      const pattern = { width: 64, height: 48, fps: 25, durationS: 1, audio: false };
      const [config, picture] = (await readMedia({ pattern })).flatMap((item) => writer.write(item));
      await publisher.send(config!.type, 0, config!.body);
      const body = Buffer.concat([picture!.body, FILLING]);
      for (let at = 0; at < PICTURES; at += 1) await publisher.send(picture!.type, at * 40, body);
      await publisher.unpublish();
      assert.deepEqual([await ended.promise, taken], [true, PICTURES]);
    } finally {
      await server.stop();
    }
  });

  it("leaves a server that reads no more, not even the goodbye", async () => {
    const sink = new RecorderSink();
    const server = createRtmpServer({ host: "127.0.0.1", port: 0, authorize: async () => sink, logger: silentLogger });
    await server.start();
    const relay = await HaltingRelay.start(server.port);
    try {
      const publisher = await RtmpPublisher.open(`rtmp://127.0.0.1:${relay.port}/live/key`);
      relay.halt();
      // More than lies between the two without being read: it waits for room, and never finds any.
      const lost = assert.rejects(publisher.send(9, 0, Buffer.alloc(2 ** 24 - 1)), { code: "PUBLISH_LOST" });
      await publisher.unpublish();
      await lost;
    } finally {
      relay.close();
      await server.stop();
    }
  });
});
