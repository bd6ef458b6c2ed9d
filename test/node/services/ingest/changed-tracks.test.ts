import assert from "node:assert/strict";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { findHealthFaults } from "@leat/sdk/protocol/health.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import type { MediaItem } from "@leat/transcoder/tools/media-item.ts";
import { FakeBalancer } from "../../../support/fake-balancer.ts";
import { MediaNode } from "../../../support/media-network.ts";
import { publishInfo, publishItems } from "../../../support/publish-items.ts";

describe("a publisher of tracks that not all can be shown", () => {
  let items: readonly MediaItem[];
  let balancer: FakeBalancer;
  let node: MediaNode;

  before(async () => {
    items = await readMedia({ pattern: { width: 64, height: 48, fps: 10, durationS: 6 } });
  });
  beforeEach(async () => {
    balancer = new FakeBalancer([], { passthrough: true });
    node = new MediaNode(balancer);
    await node.start();
  });
  afterEach(() => node.stop());

  const only = (kind: "video" | "audio") =>
    items.filter((item) => (item.type === "config" ? item.config.kind : item.frame.kind) === kind);
  const publish = async (what: readonly MediaItem[]) => {
    const sink = await node.ingest.authorize(balancer.streamKey, publishInfo());
    await publishItems(sink, what);
    return sink;
  };
  const settled = () => balancer.of("source.ready").map(({ body }) => Object.keys(body.source));
  const renewals = () => balancer.of("publish.renew").length;
  const faults = () =>
    balancer.of("publish.renew").map(({ body }) => (body.health === undefined ? [] : findHealthFaults(body.health)));

  it("has it where it was refused for what it sent first", async () => {
    const first = await publish(only("video").slice(0, 3));
    await first.end({ clean: false, code: "RTMP_CODEC_UNSUPPORTED" });
    const before = renewals();
    await balancer.until(() => renewals() > before + 3);
    assert.deepEqual(settled(), []);
    await publish(items);
    await balancer.until(() => settled().length > 0);
    assert.deepEqual(settled(), [["video", "audio"]]);
  });

  for (const [how, clean] of [
    ["ends at once", true],
    ["does not come back", false],
  ] as const) {
    it(`has what it had where it ${how}`, async () => {
      balancer.grant = { reconnectGraceMs: 200 };
      const first = await publish(only("video").slice(0, 3));
      await first.end({ clean });
      await balancer.until(() => balancer.of("publish.end").length > 0);
      assert.deepEqual(settled(), [["video"]]);
    });
  }

  it("is waited for by no node that stops, which settles nothing", async () => {
    const first = await publish(only("video").slice(0, 3));
    await first.end({ clean: false });
    const before = renewals();
    await balancer.until(() => renewals() > before + 1);
    await node.stop();
    assert.deepEqual(settled(), []);
  });

  /** The first picture that comes after each later key frame shows before that. */
  const withOpenGroups = () =>
    only("video").map((item, at, all) => {
      const before = all[at - 1];
      if (item.type === "config" || before?.type !== "frame" || !before.frame.key || before.frame.pts === 0)
        return item;
      return { ...item, frame: { ...item.frame, pts: before.frame.pts - 900 } };
    });

  /** What comes before it is settled what becomes of it waits, and can be put in order. */
  const publishOpenGroups = async () => {
    const all = withOpenGroups();
    const sink = await publish(all.slice(0, 10));
    await balancer.until(() => settled().length > 0);
    await publishItems(sink, all.slice(10));
  };

  it("is cut off with a code where its pictures can be shown to nobody", async () => {
    await assert.rejects(publishOpenGroups(), { code: "INGEST_LADDER_MISSING" });
    // The same publisher with groups that are closed goes on.
    await publish(items);
  });

  it("is cut off where it comes back with another codec than was announced, and goes on with the first", async () => {
    const first = await publish(only("video"));
    await balancer.until(() => settled().length > 0);
    await first.end({ clean: false });
    const others = only("video").map((item) =>
      item.type === "config" ? { ...item, config: { ...item.config, codec: "hevc" } as TrackConfig } : item,
    );
    await assert.rejects(publish(others), { code: "INGEST_LADDER_MISSING" });
    await publish(items);
  });

  it("is told of a source that is no rung of its own where there is a ladder", async () => {
    await node.stop();
    const ladder = [{ name: "90p", codec: "h264", height: 90, videoBitrate: 150_000, audioBitrate: 64_000 }] as const;
    balancer = new FakeBalancer(ladder, { passthrough: true });
    node = new MediaNode(balancer);
    await node.start();
    await publishOpenGroups();
    await balancer.until(() => faults().some((told) => told.includes("source-left-out")));
  });

  for (const [left, kept] of [
    ["sound", "video"],
    ["pictures", "audio"],
  ] as const) {
    it(`is told of ${left} that no viewer gets where the stream began without any`, async () => {
      const first = await publish(only(kept));
      await balancer.until(() => settled().length > 0);
      await first.end({ clean: false });
      await publish(items);
      await balancer.until(() => faults().some((told) => told.includes(`${left}-left-out`)));
      assert.deepEqual(settled(), [[kept]]);
    });
  }
});
