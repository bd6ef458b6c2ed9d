import assert from "node:assert/strict";
import { startLiveTranscode } from "@leat/transcoder/supervisor.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import type { MediaItem } from "@leat/transcoder/tools/media-item.ts";
import { FakeBalancer } from "../../../support/fake-balancer.ts";
import { MediaNode, type NodeFaults } from "../../../support/media-network.ts";
import { at } from "../../../support/media-path-scene.ts";
import { publishInfo, publishItems, until } from "../../../support/publish-items.ts";

const rung = { name: "120p", codec: "h264", height: 120, videoBitrate: 200_000, audioBitrate: 64_000 } as const;
const fps = 150;
const durationS = 4;

/** Of each picture it says that it lasts no time. */
const stripDurations: typeof startLiveTranscode = (spec, events) =>
  startLiveTranscode(spec, {
    ...events,
    frame: (index, sequence, frame) => events.frame(index, sequence, { ...frame, duration: 0 }),
  });

/** Times that no packager takes. */
const turnBack: typeof startLiveTranscode = (spec, events) =>
  startLiveTranscode(spec, {
    ...events,
    frame: (index, sequence, frame) => events.frame(index, sequence, { ...frame, dts: 5 }),
  });

describe("a transcoder whose pictures fill no part", function () {
  this.timeout(60_000);
  const nodes: MediaNode[] = [];
  let balancer: FakeBalancer;
  let items: MediaItem[];

  before(async () => {
    items = await readMedia({ pattern: { width: 160, height: 120, fps, durationS, keyframeEveryS: 2, bFrames: 0 } });
  });

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

  for (const [what, startTranscode, code] of [
    ["last no time", stripDurations, "TRANSCODING_PART_ENDLESS"],
    ["go back in time", turnBack, "CHECK_FAILED"],
  ] as const) {
    it(`loses its attempt where they ${what}, and no edge leaves the origin for it`, async () => {
      const [liar, honest, edge] = [await startNode({ startTranscode }), await startNode(), await startNode()];
      const origin = await startNode();
      balancer.transcoders = [liar];
      const sink = await origin.ingest.authorize(balancer.streamKey, publishInfo());
      await publishItems(sink, items.slice(0, at(items, 2 * fps + 10)));
      await balancer.until(() => balancer.renditions.length > 0);
      await balancer.assign(edge, balancer.deliverySpec() as never);
      await balancer.until(() => balancer.of("job.failed").length > 0);
      const [failed] = balancer.of("job.failed");
      assert.deepEqual([failed!.node.address, failed!.body.code], [origin.address, code]);
      balancer.transcoders = [liar, honest];
      await balancer.replaceJob("h264");
      await publishItems(sink, items.slice(at(items, 2 * fps + 10)));
      await sink.end({ clean: true });
      const stream = edge.delivery.findStream(balancer.slug)!;
      await until(() => stream.window.ended);
      const made = stream.window
        .held(1)
        .map(({ frames, parts }) => [frames, Math.max(...parts.map((part) => part.frames))]);
      assert.deepEqual(
        made.map(([frames]) => frames),
        [2 * fps, 2 * fps],
      );
      assert.ok(
        made.every(([, most]) => most! <= fps / 4),
        `${made}`,
      );
      const holders = balancer.of("edge.holder").map(({ body }) => [body.holder, body.failed]);
      assert.deepEqual(holders, [[origin.address, []]]);
    });
  }
});
