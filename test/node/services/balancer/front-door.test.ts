import assert from "node:assert/strict";
import type { Heartbeat } from "@leat/node/wire/session/presence.ts";
import { useBalancer } from "../../../support/balancer-scene.ts";
import { codeOf } from "../../../support/fake-market.ts";
import type { FakeNode } from "../../../support/fake-node.ts";

const free = { total: 10, free: 10 };

describe("the front door of a cluster", () => {
  const scene = useBalancer();
  const { create, publish, goLive } = scene;

  const rank = (streamKey: string) => scene.market.balancer.rankIngest(streamKey);
  /** The ticket of where an offer is sent, and the node that it names. */
  async function send(streamKey: string) {
    const location = await scene.market.balancer.sendWhip(streamKey);
    const [, port, slug, ticket] = /^http:\/\/127\.0\.0\.1:900(\d)\/whip\/tickets\/([\w-]{22})\/([\w-]+)$/.exec(
      location,
    )!;
    const node = scene.nodes.find(({ number }) => number === Number(port))!;
    return { location, node, slug: slug!, ticket: ticket! };
  }
  const redeem = (node: FakeNode, slug: string, ticket: string, how: { readonly replaces?: true } = {}) =>
    scene.market.hub.ask(node, "publish.ticket", { slug, ticket, protocol: "whip", ...how });
  async function beat(node: FakeNode, load: number, draining: boolean) {
    const presence = scene.market.hub.nodes.get(node.address)!;
    const capacity = { ingestStreams: free, transcodePixelsPerSecond: free, deliveryBytesPerSecond: free };
    const heartbeat: Heartbeat = { load, draining, capacity, jobs: [] };
    const heartbeatAtMs = scene.market.clock.nowMs();
    scene.market.hub.nodes.set(node.address, { ...presence, heartbeat, heartbeatAtMs });
    await scene.market.clock.advance(1_000);
  }

  it("names the nodes that could take a stream, all ways into each, and why they stand as they do", async () => {
    const created = await create();
    const { stream, slug, state, selection, nodes } = await rank(created.streamKey);
    assert.deepEqual([stream, slug, state], [created.id, created.slug, "created"]);
    const decision = await scene.market.balancer.selection(selection!);
    assert.match(decision.body, new RegExp(nodes[0]!.node));
    assert.deepEqual(
      nodes.map(({ node }) => node).toSorted(),
      [scene.nodes[0].address, scene.nodes[1].address].toSorted(),
    );
    for (const { node, ways, holds, avoided, cost, terms, region } of nodes) {
      const { number } = scene.nodes.find(({ address }) => address === node)!;
      assert.deepEqual(
        ways.map(({ protocol, url }) => [protocol, url.replace(created.streamKey, "KEY").replace(/\?.*/, "")]),
        [
          ["rtmp", `rtmp://127.0.0.1:900${number}/live/KEY`],
          ["whip", `http://127.0.0.1:900${number}/whip/KEY`],
          ["push", `http://127.0.0.1:900${number}/live/KEY`],
          ["srt", `srt://127.0.0.1:900${number}`],
        ],
      );
      assert.deepEqual([holds, avoided, region], [false, null, "local"]);
      assert.equal(
        cost,
        Object.values(terms).reduce((sum, term) => sum + term, 0),
      );
    }
    assert.ok(nodes[0]!.cost <= nodes[1]!.cost);
  });

  it("sends who comes back to the node that holds the stream, and new ones away from a node that drains", async () => {
    const { streamKey } = await create();
    // The one that drains would be the cheaper.
    await beat(scene.nodes[0], 0, true);
    await beat(scene.nodes[1], 0.6, false);
    const before = await rank(streamKey);
    assert.deepEqual(
      before.nodes.map(({ node, avoided }) => [node, avoided]),
      [
        [scene.nodes[1].address, null],
        [scene.nodes[0].address, "draining"],
      ],
    );
    assert.equal((await send(streamKey)).node, scene.nodes[1]);
    await publish(scene.nodes[0], streamKey);
    await beat(scene.nodes[0], 0.69, false);
    await beat(scene.nodes[1], 0, false);
    const after = await rank(streamKey);
    assert.deepEqual(
      [after.state, after.nodes[0]!.node, after.nodes[0]!.holds],
      ["live", scene.nodes[0].address, true],
    );
    assert.equal((await send(streamKey)).node, scene.nodes[0]);
  });

  it("sends who was told to begin anew to the same node, where its ticket takes its own place alone", async () => {
    const { streamKey } = await create();
    const first = await send(streamKey);
    await redeem(first.node, first.slug, first.ticket);
    const [refused, again] = [await send(streamKey), await send(streamKey)];
    assert.deepEqual([refused.node, again.node], [first.node, first.node]);
    await assert.rejects(redeem(refused.node, refused.slug, refused.ticket), codeOf("PUBLISH_LEASE_HELD"));
    const grant = await redeem(again.node, again.slug, again.ticket, { replaces: true });
    assert.deepEqual([grant.slug, grant.startEpoch], [first.slug, 1]);
  });

  it("leaves out who is gone, and finds others when all are, who may take the stream from then on", async () => {
    const fifth = await scene.addFifth();
    const { streamKey } = await create();
    scene.market.hub.leave(scene.nodes[0]);
    await scene.market.clock.advance(1_000);
    assert.deepEqual(
      (await rank(streamKey)).nodes.map(({ node }) => node),
      [scene.nodes[1].address],
    );
    scene.market.hub.leave(scene.nodes[1]);
    await scene.market.clock.advance(1_000);
    await assert.rejects(rank(streamKey), codeOf("PLACEMENT_NOBODY"));
    const before = await scene.countDecisions();
    await assert.rejects(scene.market.balancer.sendWhip(streamKey), codeOf("PLACEMENT_NOBODY"));
    assert.equal(await scene.countDecisions(), before);
    scene.market.hub.join(fifth);
    await assert.rejects(publish(fifth, streamKey), codeOf("PUBLISH_NODE_WRONG"));
    const { nodes, selection } = await rank(streamKey);
    assert.deepEqual(
      nodes.map(({ node }) => node),
      [fifth.address],
    );
    assert.match((await scene.market.balancer.selection(selection!)).body, new RegExp(fifth.address));
    assert.ok((await publish(fifth, streamKey)).terms);
  });

  it("leaves one decision where nodes are there of which none would do, however often it is asked", async () => {
    const fifth = await scene.addFifth();
    const { streamKey } = await create();
    for (const node of [scene.nodes[0], scene.nodes[1]]) scene.market.hub.leave(node);
    const hello = fifth.hello();
    const prices = hello.offer!.body.prices.map((list) => ({
      ...list,
      prices: { ...list.prices, ingestMs: 10n ** 30n },
    }));
    scene.market.hub.join(fifth, { ...hello, offer: { ...hello.offer!, body: { ...hello.offer!.body, prices } } });
    await scene.market.clock.advance(1_000);
    const before = await scene.countDecisions();
    for (let asked = 0; asked < 5; asked += 1) await assert.rejects(rank(streamKey), codeOf("PLACEMENT_NOBODY"));
    assert.equal(await scene.countDecisions(), before + 1);
    scene.market.hub.join(fifth);
    await scene.market.clock.advance(10_000);
    assert.equal((await rank(streamKey)).nodes[0]!.node, fifth.address);
  });

  it("is shut to keys that nobody has and to streams that are over", async () => {
    await assert.rejects(rank("nobody's"), codeOf("STREAM_KEY_UNKNOWN"));
    await assert.rejects(scene.market.balancer.sendWhip("nobody's"), codeOf("STREAM_KEY_UNKNOWN"));
    const { id, streamKey } = await goLive();
    await scene.market.balancer.endStream(scene.nodes[3].address, id);
    await scene.market.hub.ask(scene.nodes[0], "publish.end", { stream: id, clean: true, lastSequence: 1, frames: 2 });
    await assert.rejects(rank(streamKey), codeOf("STREAM_ENDED"));
  });

  it("gives a ticket that lets in once, at its node, for its stream and in time, each other by its own code", async () => {
    const [created, other] = [await create(), await create()];
    const first = await send(created.streamKey);
    assert.ok(!first.location.includes(created.streamKey));
    const stranger = scene.nodes.find((node) => node !== first.node && node.roles.includes("ingest"))!;
    await assert.rejects(redeem(stranger, first.slug, first.ticket), codeOf("PUBLISH_TICKET_NODE_WRONG"));
    await assert.rejects(redeem(first.node, other.slug, first.ticket), codeOf("PUBLISH_TICKET_STREAM_WRONG"));
    const grant = await redeem(first.node, first.slug, first.ticket);
    assert.equal(grant.stream, created.id);
    await assert.rejects(redeem(first.node, first.slug, first.ticket), codeOf("PUBLISH_TICKET_USED"));
    const late = await send(other.streamKey);
    await scene.market.clock.advance(29_999);
    const inTime = await send(other.streamKey);
    await scene.market.clock.advance(1);
    await assert.rejects(redeem(late.node, late.slug, late.ticket), codeOf("PUBLISH_TICKET_EXPIRED"));
    assert.equal((await redeem(inTime.node, inTime.slug, inTime.ticket)).stream, other.id);
  });

  it("takes no ticket that it did not write, nor one whose key was revoked meanwhile", async () => {
    const { id, streamKey } = await create();
    const { node, slug, ticket } = await send(streamKey);
    const bytes = Buffer.from(ticket, "base64url");
    for (const at of [0, 20, 60, 70, 80, bytes.length - 1]) {
      const forged = Buffer.from(bytes);
      forged[at]! ^= 1;
      await assert.rejects(redeem(node, slug, forged.toString("base64url")), codeOf("PUBLISH_TICKET_INVALID"));
    }
    for (const made of ["x", ticket.slice(0, -2), `${ticket}AA`, streamKey]) {
      await assert.rejects(redeem(node, slug, made), codeOf("PUBLISH_TICKET_INVALID"));
    }
    await scene.market.balancer.rotateKey(scene.nodes[3].address, id, true);
    await assert.rejects(redeem(node, slug, ticket), codeOf("STREAM_KEY_UNKNOWN"));
  });
});
