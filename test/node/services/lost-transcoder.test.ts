import assert from "node:assert/strict";
import { hashKey } from "@leat/node/services/balancer/ingest-ways.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import type { MediaItem } from "@leat/transcoder/tools/media-item.ts";
import { absentBuyer, LiveCluster } from "../../support/live-cluster.ts";
import { testToken } from "../../support/media-network.ts";
import { publishInfo, publishItems, until } from "../../support/publish-items.ts";

const ladder = [{ name: "120p", codec: "h264" as const, height: 120, videoBitrate: 150_000, audioBitrate: 64_000 }];
const fps = 5;
const segmentS = 2;

describe("a stream whose only transcoder was lost", function () {
  this.timeout(180_000);
  let cluster: LiveCluster;
  let items: MediaItem[];

  before(async () => {
    cluster = await LiveCluster.start();
    const pattern = { width: 160, height: 120, fps, durationS: 92, keyframeEveryS: segmentS, bFrames: 0 };
    items = await readMedia({ pattern });
  });

  after(() => cluster.stop());

  it("has its rung again once the node is back, in the playlist too, and its decisions tell why", async () => {
    const { balancer } = cluster;
    const origin = await cluster.join(["ingest", "delivery"]);
    const only = await cluster.join(["transcode"]);
    const created = await balancer.createStream(absentBuyer, {
      ladder,
      passthrough: true,
      token: testToken,
      nonce: `0x${"09".repeat(32)}`,
      unsignedBudgetBytes: 10n ** 9n,
    });
    const sink = await origin.ingest.authorizeHash(hashKey(created.streamKey), publishInfo());
    await publishItems(sink, segments(items, 0, 4));
    await until(() => only.workers.length === 1);
    await balancer.play(created.slug);
    await until(() => origin.delivery.findStream(created.slug) !== undefined);
    const { window } = origin.delivery.findStream(created.slug)!;
    await until(() => window.headOf("120p") >= 2);
    // Listed once all of the stream's rungs are there.
    await until(() => window.master()?.includes("120p") === true);

    cluster.stall(only);
    await cluster.left(only);
    // More than a playlist lists: all that the node made is gone from it.
    await publishItems(sink, segments(items, 4, 38));
    await until(() => window.headOf("source") >= 36);
    await until(() => window.master()?.includes("120p") === false);
    // Let go of, and looked for in vain.
    const { id } = (await jobOf(created.slug)).job;
    while ((await cluster.decisions(id)).length < 2) await cluster.beat();
    const waiting = await jobOf(created.slug);
    assert.deepEqual([waiting.attempts.length, waiting.attempts.at(-1)?.endCode], [1, "NODE_LOST"]);

    const joined = cluster.joined(only);
    cluster.goOn(only);
    await joined;
    await publishItems(sink, segments(items, 38, 46));
    await until(() => window.headOf("120p") >= 43);
    await until(() => window.master()?.includes("120p") === true);
    const placed = await jobOf(created.slug);
    // On a busy machine the node may have been lost, or have refused, once more.
    const states = placed.attempts.map(({ state }) => state);
    assert.deepEqual([states[0], states.at(-1)], ["failed", "running"]);
    const decisions = await cluster.decisions(placed.job.id);
    const winners = decisions.map(({ winner }) => winner);
    assert.deepEqual([...winners.slice(0, 2), winners.at(-1)], [only.address, undefined, only.address]);
    // The origin is there and sells no transcoding; nobody else is in session.
    assert.deepEqual([decisions[1]!.filters.primitive, decisions[1]!.filters.excluded], [1, 0]);
    await sink.end({ clean: true });
    await until(() => window.ended);
  });

  const jobOf = async (slug: string) => {
    const jobs = await cluster.balancer.views.jobs(absentBuyer, slug);
    return jobs.find(({ job }) => job.primitive === "transcode")!;
  };
});

/** What stands from the beginning of one segment to that of another. */
function segments(items: readonly MediaItem[], from: number, to: number): MediaItem[] {
  const start = (segment: number) => {
    if (segment === 0) return 0;
    let pictures = 0;
    const at = items.findIndex((item) => {
      if (item.type === "frame" && item.frame.kind === "video") pictures += 1;
      return pictures > segment * segmentS * fps;
    });
    return at < 0 ? items.length : at;
  };
  return items.slice(start(from), start(to));
}
