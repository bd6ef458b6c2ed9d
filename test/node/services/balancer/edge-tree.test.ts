import assert from "node:assert/strict";
import { EdgeTree } from "@leat/node/services/balancer/edge-tree.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec, Origin } from "@leat/sdk/protocol/job.ts";
import { type EdgeOf, useBalancer } from "../../../support/balancer-scene.ts";
import { startMarket } from "../../../support/fake-market.ts";
import { FakeNode } from "../../../support/fake-node.ts";

/** As long as an edge is not named again that did not serve another one. */
const refusedMs = 60_000;

describe("tree of edges", () => {
  it("leads the first of a chain past one that keeps back, and blames nobody below it for that", () => {
    let nowMs = 0;
    const led: string[] = [];
    /** Each below the one before it. */
    const chain = ["0xa", "0xb", "0xc", "0xd"].map((node, at, nodes) => ({
      row: {
        ...{ id: `job ${node}`, stream: "0x1", primitive: "delivery", state: "running" },
        spec: {
          primitive: "delivery",
          origin: { node: "0x0", multiaddrs: [] },
          ...(at === 0 ? {} : { parents: [{ node: nodes[at - 1], multiaddrs: [] }], depth: at + 1 }),
        },
      },
      attempt: { node, attempt: 1, state: "running" },
    }));
    const behind = new Set(["0xb", "0xc", "0xd"]);
    const tree = new EdgeTree(
      {
        clock: { nowMs: () => nowMs },
        logger: { warn: (_: string, { edge, parent }: Record<string, string>) => led.push(`${edge} past ${parent}`) },
      } as never,
      {
        jobs: { find: (id: string) => chain.find(({ row }) => row.id === id), ofStream: () => chain },
        tasks: { signal: { aborted: true } },
        progress: { isBehind: (_: string, { job }: { job: string }) => behind.has(job.slice("job ".length)) },
      } as never,
    );
    const pass = (seconds: number) => {
      for (let second = 0; second < seconds; second += 1) {
        // In the order in which the clock of the last one would run out first.
        for (const { row, attempt } of chain.toReversed()) {
          const job = { job: row.id, attempt: 1, sequence: 1 };
          tree.beat({ node: attempt.node, heartbeat: { jobs: [job] } } as never);
        }
        nowMs += 1_000;
      }
    };
    pass(15);
    assert.deepEqual(led, ["0xb past 0xa"]);
    behind.delete("0xb");
    pass(12);
    assert.deepEqual(led.slice(1), ["0xc past 0xb"]);
  });
});

describe("balancer, who feeds an edge", () => {
  const scene = useBalancer();
  const { until, edgesOf, goLive } = scene;

  beforeEach(async () => {
    await scene.market.balancer.stop();
    scene.nodes = [
      new FakeNode(1, ["ingest"]),
      new FakeNode(2, ["transcode", "delivery"]),
      new FakeNode(3, ["transcode", "delivery"]),
      new FakeNode(4, ["buyer"]),
    ];
    // Nobody renews a lease or watches here: neither is to end a stream while a test's minutes pass.
    const options = { edgeFanOut: 1, reconnectGraceMs: 3_600_000, edgeIdleMs: 3_600_000 };
    scene.market = await startMarket(scene.database, { nodes: scene.nodes, options });
    for (const node of scene.nodes) scene.market.hub.join(node);
  });

  const parentsOf = ({ terms }: EdgeOf) => ((terms.spec as DeliverySpec).parents ?? []).map(({ node }) => node);
  const namedTo = ({ node, terms }: EdgeOf) =>
    (node.told("job.update") as { job: Hex; parents?: readonly Origin[] }[])
      .filter(({ job, parents }) => job === terms.assignment.value.job && parents !== undefined)
      .map(({ parents }) => parents!.map((parent) => parent.node));

  /** The edge that the origin feeds, and the one that this one feeds. */
  async function play(): Promise<{ above: EdgeOf; below: EdgeOf; slug: string; id: Hex }> {
    const { id, slug } = await goLive();
    await scene.market.balancer.play(slug);
    const [above, below] = edgesOf(id).toSorted((one, other) => parentsOf(one).length - parentsOf(other).length);
    return { above: above!, below: below!, slug, id };
  }

  const tell = ({ node, terms }: EdgeOf, holder: FakeNode, failed: { node: Hex; code: string }[]) => {
    const { job, attempt } = terms.assignment.value;
    return scene.market.hub.ask(node, "edge.holder", { job, attempt, holder: holder.address, failed });
  };

  it("names the next holder where the origin has enough, with its addresses, and how far that is", async () => {
    const { above, below } = await play();
    assert.deepEqual([parentsOf(above), parentsOf(below)], [[], [above.node.address]]);
    const { parents, depth, partTargetMs } = below.terms.spec as DeliverySpec;
    assert.deepEqual([parents![0]!.multiaddrs, depth], [above.node.hello().multiaddrs, 2]);
    // No node in between says how long parts are.
    assert.equal(partTargetMs, 250);
  });

  it("names the newest segment that the origin published by then, so that nobody brings an old one", async () => {
    const publishedOf = ({ terms }: EdgeOf) => (terms.spec as DeliverySpec).published;
    const { above, below } = await play();
    assert.deepEqual([publishedOf(above), publishedOf(below)], [undefined, undefined]);
    const { id, slug } = await goLive();
    for (const sequence of [0, 1, 2]) {
      await scene.market.hub.ask(scene.nodes[0], "segment.published", { stream: id, rungs: [1], sequence });
    }
    await scene.market.hub.ask(scene.nodes[0], "segment.published", { stream: id, rungs: [2], sequence: 1 });
    await scene.market.balancer.play(slug);
    assert.deepEqual(edgesOf(id).map(publishedOf), [2, 2]);
  });

  it("shows who feeds each edge, by whose word, what that was chosen by and who is refused", async () => {
    const [ingest, ...edges] = scene.nodes;
    for (const [at, node] of edges.entries()) {
      node.rttMs = 30 + at * 200;
      scene.market.hub.beat(node);
    }
    const { above, below, id } = await play();
    const feedOf = async ({ terms }: EdgeOf) => {
      const { job } = terms.assignment.value;
      const views = await scene.market.balancer.views.jobs(scene.nodes[3].address, id);
      const { feed } = views.find((view) => view.job.id === job)!;
      assert.deepEqual((await scene.market.balancer.selection(terms.selection)).feed, feed);
      return feed!;
    };
    const first = await feedOf(below);
    assert.deepEqual(
      [first.origin, first.holder, first.isConfirmed, first.parents, first.depth, first.refused],
      [ingest.address, above.node.address, false, [above.node.address], 2, []],
    );
    const { reason, weighed, more, chosenAtMs } = first.choice!;
    assert.deepEqual([reason, more, chosenAtMs], ["NEAREST", 0, scene.market.clock.nowMs()]);
    assert.deepEqual(
      weighed.map(({ node, fault }) => [node, fault]).toSorted(),
      [
        [ingest.address, "FULL"],
        [above.node.address, undefined],
      ].toSorted(),
    );
    const rttTo = (of: FakeNode) => weighed.find(({ node }) => node === of.address)!.terms.rtt;
    // The origin has not measured any.
    assert.deepEqual([rttTo(above.node), rttTo(ingest)], [2_000, 0]);
    assert.deepEqual((await feedOf(above)).parents, []);
    await tell(below, above.node, []);
    assert.equal((await feedOf(below)).isConfirmed, true);
    await tell(below, ingest, [{ node: above.node.address, code: "DELIVERY_PARENT_SILENT" }]);
    const { holder, refused } = await feedOf(below);
    const untilMs = scene.market.clock.nowMs() + refusedMs;
    assert.deepEqual(
      [holder, refused],
      [ingest.address, [{ node: above.node.address, code: "DELIVERY_PARENT_SILENT", untilMs }]],
    );
    // No edge of it is fed, nor by the decision that put it elsewhere.
    const views = await scene.market.balancer.views.jobs(scene.nodes[3].address, id);
    assert.ok(views.every(({ job, feed }) => (job.primitive === "delivery") === (feed !== undefined)));
  });

  it("lets the origin stand in for one that fell silent, and names that one again after a minute", async () => {
    const { above, below } = await play();
    await tell(below, scene.nodes[0], [{ node: above.node.address, code: "DELIVERY_PARENT_SILENT" }]);
    await until(() => scene.market.clock.isSlept(refusedMs));
    assert.deepEqual(namedTo(below), []);
    await scene.market.clock.advance(refusedMs);
    await until(() => namedTo(below).length > 0);
    assert.deepEqual(namedTo(below), [[above.node.address]]);
    await tell(below, above.node, []);
    assert.deepEqual(namedTo(above), []);
  });

  it("never again names one that altered the stream to the edge that found it", async () => {
    const { above, below, slug } = await play();
    await tell(below, scene.nodes[0], [{ node: above.node.address, code: "DELIVERY_PART_ALTERED" }]);
    // That it fell silent later makes it no better.
    await tell(below, scene.nodes[0], [{ node: above.node.address, code: "DELIVERY_PARENT_SILENT" }]);
    await scene.market.clock.advance(refusedMs + 1);
    await scene.market.balancer.play(slug);
    assert.deepEqual(namedTo(below), []);
  });

  it("leads an edge that stands past a holder that says it is there, and back to it after ten minutes", async () => {
    const { above, below, id } = await play();
    const rungs = [1];
    for (const sequence of [0, 1, 2, 3, 4]) {
      await scene.market.hub.ask(scene.nodes[0], "segment.published", { stream: id, rungs, sequence });
    }
    const stand = ({ node }: EdgeOf, sequence: number | null) =>
      scene.market.hub.beat(
        node,
        1_000_000_000,
        node.running().map((job) => (job.primitive === "delivery" ? { ...job, sequence } : job)),
      );
    // Whoever is a little behind, or hangs at the origin, has nobody to leave.
    for (const beatMs of [0, 9_999, 1]) {
      await scene.market.clock.advance(beatMs);
      stand(above, null);
      stand(below, beatMs === 9_999 ? 2 : null);
    }
    for (const beatMs of [9_998, 1]) {
      await scene.market.clock.advance(beatMs);
      stand(below, 1);
    }
    assert.deepEqual([namedTo(above), namedTo(below)], [[], []]);
    await scene.market.clock.advance(1);
    stand(below, 1);
    await until(() => namedTo(below).length > 0);
    assert.deepEqual(namedTo(below), [[]]);
    await tell(below, scene.nodes[0], []);
    await scene.market.clock.advance(599_999);
    assert.deepEqual(namedTo(below), [[]]);
    await until(() => scene.market.clock.isSlept(1));
    await scene.market.clock.advance(1);
    await until(() => namedTo(below).length > 1);
    // It kept its place below that one.
    assert.deepEqual(namedTo(below), [[], [above.node.address]]);
    assert.deepEqual(namedTo(above), []);
  });

  it("takes no word of a holder that it did not name, and looks once however often it is told", async () => {
    const { above, below } = await play();
    await tell(below, scene.nodes[3], []);
    const sleeping = scene.market.clock.sleeping;
    const failed = [{ node: above.node.address, code: "DELIVERY_PARENT_SILENT" }];
    for (let count = 0; count < 50; count += 1) await tell(below, scene.nodes[0], failed);
    await until(() => scene.market.clock.isSlept(refusedMs));
    assert.equal(scene.market.clock.sleeping, sleeping + 1);
    assert.deepEqual(namedTo(below), []);
  });

  it("hears of an edge from that edge alone", async () => {
    const { above, below } = await play();
    const forged = { node: above.node, terms: below.terms };
    await assert.rejects(tell(forged, scene.nodes[0], []), { code: "JOB_NOT_YOURS" });
  });
});
