import assert from "node:assert/strict";
import { encodingLoad } from "@leat/sdk/protocol/encoding-load.ts";
import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { chooseEngine } from "@leat/transcoder/choose-engine.ts";
import { TranscodeError } from "@leat/transcoder/errors.ts";
import { startLiveTranscode } from "@leat/transcoder/supervisor.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { FakeBalancer } from "../../../support/fake-balancer.ts";
import { GatewayServer } from "../../../support/gateway-server.ts";
import { ladderPixels, measuredSpeeds } from "../../../support/measured-speeds.ts";
import { MediaNode, type NodeFaults } from "../../../support/media-network.ts";
import { publishInfo, publishItems } from "../../../support/publish-items.ts";

const rung = { name: "120p", codec: "h264", height: 120, videoBitrate: 200_000, audioBitrate: 64_000 } as const;

describe("node/services/transcoding", function () {
  this.timeout(60_000);
  const nodes: MediaNode[] = [];
  let balancer: FakeBalancer;

  beforeEach(() => {
    balancer = new FakeBalancer([rung]);
  });

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  async function startNode(faults?: NodeFaults): Promise<MediaNode> {
    const node = new MediaNode(balancer, faults);
    nodes.push(node);
    await node.start();
    return node;
  }

  it("does not offer transcoding where no engine works, and goes on with the rest", async () => {
    const chooseEngine = async () => {
      throw new TranscodeError({ code: "TRANSCODE_PROGRAM_MISSING", program: "ffmpeg", install: "apt-get install" });
    };
    const { desk, transcoding } = await startNode({ chooseEngine });
    assert.equal(desk.capacity().transcodePixelsPerSecond.total, 0);
    assert.ok(desk.capacity().ingestStreams.total > 0);
    assert.deepEqual(transcoding.encoders, []);
  });

  it("sells what a gateway makes, H.264 alone, and its origin takes the work", async () => {
    const gateway = await GatewayServer.start();
    try {
      const [origin, transcoder] = [
        await startNode(),
        await startNode({
          chooseEngine,
          transcoding: { engine: "livepeer", livepeer: { url: gateway.url, timeoutMs: 14_000 } },
        }),
      ];
      assert.deepEqual(
        transcoder.transcoding.encoders.map(({ codec, encoder, works }) => [codec, encoder, works]),
        [["h264", "livepeer", true]],
      );
      const probed = gateway.requests.length;
      balancer.transcoders = [transcoder];
      const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
      await publishItems(sink, await readMedia({ pattern: { width: 320, height: 240, fps: 30, durationS: 3 } }));
      await sink.end({ clean: true });
      await balancer.until(() => balancer.of("publish.end").length > 0);
      assert.deepEqual(balancer.of("job.failed"), []);
      const receipts = balancer.of("receipt.submit").filter(({ body }) => body.kind === "transcode");
      assert.equal(
        receipts.reduce((sum, { body }) => sum + body.receipt.value.frames, 0),
        90,
      );
      assert.equal(gateway.requests.length - probed, receipts.length);
    } finally {
      await gateway.stop();
    }
  });

  describe("of a node whose encoders were measured", () => {
    const encoders = measuredSpeeds.map((speed) => ({ ...speed, encoder: "software", works: true }));
    const reserve = (node: MediaNode, codec: VideoCodec, units: number, digit: string) => {
      const job: Hex = `0x${digit.repeat(64)}`;
      return balancer.ask(node, "job.reserve", { job, attempt: 1, primitive: "transcode", codec, units });
    };
    const freeOf = (node: MediaNode) => node.desk.capacity().transcodePixelsPerSecond.free;
    const short = { granted: false, code: "JOB_CAPACITY_SHORT" };

    it("sells what the very encoder of a job can do", async () => {
      const node = await startNode({ chooseEngine: async () => ({ engine: "node-av", encoders }) });
      const total = freeOf(node);
      const [vp9, h264] = [encodingLoad(measuredSpeeds, "vp9", ladderPixels), ladderPixels];
      assert.equal((await reserve(node, "vp9", ladderPixels, "1")).granted, true);
      assert.equal(freeOf(node), total - vp9);
      assert.equal((await reserve(node, "h264", ladderPixels, "2")).granted, true);
      assert.equal(freeOf(node), total - vp9 - h264);
      // Its pixels would fit; what they take does not.
      const left = freeOf(node);
      assert.ok(ladderPixels * 2 < left && encodingLoad(measuredSpeeds, "av1", ladderPixels * 2) > left);
      assert.deepEqual(await reserve(node, "av1", ladderPixels * 2, "3"), short);
      assert.equal((await reserve(node, "h264", ladderPixels * 2, "3")).granted, true);
    });

    it("sells three fifths of a chip where nothing is set, so that slower codecs find room beside it", async () => {
      const chip = [
        { codec: "h264", pixelsPerSecond: 1_000_000_000, encoder: "h264_qsv", works: true },
        { codec: "vp9", pixelsPerSecond: 72_000_000, encoder: "libvpx-vp9", works: true },
      ] as const;
      const chooseEngine = async () => ({ engine: "node-av", encoders: chip }) as const;
      const node = await startNode({ chooseEngine });
      assert.equal(freeOf(node), 600_000_000);
      for (const digit of ["1", "2", "3", "4"])
        assert.equal((await reserve(node, "vp9", ladderPixels, digit)).granted, true);
      assert.deepEqual(await reserve(node, "vp9", ladderPixels, "5"), short);
    });

    it("takes no job that one worker cannot do in time, where its rungs are encoded one after the other", async () => {
      // Of a machine a few times slower: there is room for more than one of its workers can do.
      const slow = [{ codec: "h264", pixelsPerSecond: 20_000_000, encoder: "libx264", works: true }] as const;
      const inTurn = await startNode({ chooseEngine: async () => ({ engine: "node-av", encoders: slow }) });
      const beside = await startNode({ chooseEngine: async () => ({ engine: "ffmpeg", encoders: slow }) });
      assert.deepEqual(await reserve(inTurn, "h264", 20_000_001, "1"), short);
      assert.equal((await reserve(inTurn, "h264", 20_000_000, "1")).granted, true);
      assert.equal((await reserve(beside, "h264", 20_000_001, "1")).granted, true);
    });
  });

  it("does its jobs with the engine that was chosen", async () => {
    const engines: unknown[] = [];
    const [origin, transcoder] = [
      await startNode(),
      await startNode({
        chooseEngine: async () => ({ engine: "ffmpeg", encoders: [] }),
        startTranscode: (spec, events) => {
          engines.push(spec.engine);
          return startLiveTranscode(spec, events);
        },
      }),
    ];
    balancer.transcoders = [transcoder];
    const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
    await publishItems(sink, await readMedia({ pattern: { width: 320, height: 240, fps: 30, durationS: 3 } }));
    await sink.end({ clean: true });
    await balancer.until(() => balancer.of("publish.end").length > 0);
    assert.deepEqual(engines, ["ffmpeg"]);
    assert.deepEqual(balancer.of("job.failed"), []);
    const receipts = balancer.of("receipt.submit").filter(({ body }) => body.kind === "transcode");
    assert.equal(
      receipts.reduce((sum, { body }) => sum + body.receipt.value.frames, 0),
      90,
    );
  });
});
