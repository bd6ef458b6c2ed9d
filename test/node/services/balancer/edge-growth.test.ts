import assert from "node:assert/strict";
import { EdgeGrowth } from "@leat/node/services/balancer/edge-growth.ts";
import { hashKey } from "@leat/node/services/balancer/ingest-ways.ts";
import { ViewerCount } from "@leat/node/services/balancer/viewer-count.ts";
import type { MediaConnection } from "@leat/node/wire/media/message.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { calmDelivery } from "../../../support/edge-tree-scene.ts";
import { absentBuyer, LiveCluster } from "../../../support/live-cluster.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { type MediaNode, testToken } from "../../../support/media-network.ts";
import { at } from "../../../support/media-path-scene.ts";
import { publishInfo, publishItems, until } from "../../../support/publish-items.ts";

const fps = 10;
const fanOut = 2;

describe("edges that viewers are sent to", () => {
  it("are the least busy, counted without the buyer's agent where it looks, and there alone", () => {
    const capacity = { deliveryBytesPerSecond: { total: 10_000, free: 0 } };
    const nodes = new Map([1, 0].map((viewers, at) => [`0x${at}`, { heartbeat: beat(viewers, at) }]));
    function beat(viewers: number, at: number) {
      return { load: 0, capacity, jobs: [{ job: `job ${at}`, viewers }] };
    }
    const edges = ["primary", "fallback"].map((part, at) => ({
      row: { id: `job ${at}`, part, primitive: "delivery", state: "running" },
      attempt: { node: `0x${at}`, state: "running" },
    }));
    const stream = { id: "0xid", renditions: [{ kind: "video", bitrate: 8_000 }] };
    const firstOf = (isAgentAt: boolean) => {
      const jobs = { ofStream: () => edges } as never;
      const components = { hub: { nodes }, clock: new ManualClock() } as never;
      const viewers = new ViewerCount(components, { jobs, isAgentAt: () => isAgentAt });
      const growth = new EdgeGrowth(components, {} as never, { jobs, viewers } as never);
      return growth.choose(stream as never)[0]!.row.part;
    };
    assert.deepEqual([firstOf(true), firstOf(false)], ["primary", "fallback"]);
  });
});

describe("edges of a stream that many watch", function () {
  this.timeout(180_000);
  let cluster: LiveCluster;
  /** How many edges a node feeds now, and did at most. */
  const feeds = new Map<Address, { now: number; most: number }>();

  before(async () => {
    const settings = { edgeFanOut: fanOut, edgesPerStream: 6, edgeSettleMs: 500, edgeCalmMs: 2_000 };
    cluster = await LiveCluster.start(settings);
  });

  after(() => cluster.stop());

  async function join(role: "ingest" | "delivery"): Promise<MediaNode> {
    const onLink = (link: MediaConnection) => {
      const known = feeds.get(node.address) ?? { now: 0, most: 0 };
      feeds.set(node.address, known);
      known.now += 1;
      known.most = Math.max(known.most, known.now);
      void link.ended.then(() => {
        known.now -= 1;
      });
      return link;
    };
    const node: MediaNode = await cluster.join([role], {
      onLink,
      ingestOptions: { lingerMs: 10_000 },
      deliveryOptions: calmDelivery,
    });
    return node;
  }

  it("grow with them in a tree in which nobody feeds more than it should, lose no part by a death in it, and shrink", async () => {
    const { balancer } = cluster;
    const items = await readMedia({
      pattern: { width: 160, height: 120, fps, durationS: 20, keyframeEveryS: 2, bFrames: 0 },
    });
    const origin = await join("ingest");
    const nodes: MediaNode[] = [];
    for (let count = 0; count < 7; count += 1) nodes.push(await join("delivery"));
    const created = await balancer.createStream(absentBuyer, {
      ...{ ladder: [], passthrough: true, token: testToken, unsignedBudgetBytes: 10n ** 9n },
      nonce: `0x${"09".repeat(32)}`,
    });
    const { slug } = created;
    const sink = await origin.ingest.authorizeHash(hashKey(created.streamKey), publishInfo());
    await publishItems(sink, items.slice(0, at(items, 5 * fps)));
    const edges = () => nodes.filter((node) => node.delivery.findStream(slug)?.window.ended === false);
    while ((await balancer.play(slug)).fallback === null) await cluster.beat();
    assert.equal(edges().length, 2);

    for (const node of nodes) node.viewers = 1_000_000;
    await until(() => edges().length === 6);
    await until(() => edges().every((node) => node.delivery.findStream(slug)!.newest >= 1));
    const total = [...feeds.values()].reduce((sum, { now }) => sum + now, 0);
    assert.deepEqual([total, Math.max(...[...feeds.values()].map(({ most }) => most))], [6, fanOut]);

    // One that feeds others dies within a segment.
    const dead = nodes.find((node) => (feeds.get(node.address)?.now ?? 0) > 0)!;
    const before = edges().filter((node) => node !== dead);
    await dead.crash();
    await publishItems(sink, items.slice(at(items, 5 * fps), at(items, 9 * fps)));
    await until(() => before.every((node) => node.delivery.findStream(slug)!.newest >= 4));
    // The seventh takes its place.
    await until(() => edges().filter((node) => node !== dead).length === 6);

    for (const node of nodes) node.viewers = 0;
    await until(() => edges().filter((node) => node !== dead).length === 2);
    await publishItems(sink, items.slice(at(items, 9 * fps)));
    await sink.end({ clean: true });
    const left = nodes.filter((node) => node !== dead && before.includes(node));
    const streams = left.map((node) => node.delivery.findStream(slug)!);
    await until(() => streams.every(({ window }) => window.ended));
    const parts = streams.map(({ window }) =>
      window.held(SOURCE_RUNG).flatMap((segment) => segment.parts.map(({ sha256 }) => sha256)),
    );
    // Those that ended early have the beginning of what the others have.
    const longest = parts.toSorted((one, other) => other.length - one.length)[0]!;
    for (const one of parts) assert.deepEqual(one, longest.slice(longest.indexOf(one[0]!)).slice(0, one.length));
  });
});
