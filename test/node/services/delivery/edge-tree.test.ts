import assert from "node:assert/strict";
import { systemClock } from "@leat/node/kernel/clock.ts";
import type { MediaConnection, MediaMessage } from "@leat/node/wire/media/message.ts";
import type { JobTerms } from "@leat/sdk/protocol/job.ts";
import { SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import { between, useEdgeTree } from "../../../support/edge-tree-scene.ts";
import { subscriptionOf } from "../../../support/fake-balancer.ts";
import type { MediaNode } from "../../../support/media-network.ts";
import { until } from "../../../support/publish-items.ts";
import { wholeSegment } from "../../../support/whole-segment.ts";

describe("edges that feed edges", function () {
  this.timeout(60_000);
  const scene = useEdgeTree();
  const { startNode, begin, publish, publishRest, watch, holders, failures, ended, parts, published } = scene;

  it("hand on what the origin published, byte for byte, which is asked by the first alone and paid to nobody", async () => {
    const asked: string[] = [];
    const onLink = (connection: MediaConnection) => {
      asked.push(connection.remoteAddress);
      return connection;
    };
    const [origin, a, b, c] = [await startNode({ onLink }), await startNode(), await startNode(), await startNode()];
    const sink = await begin(origin, 3);
    const streams = [await watch(a), await watch(b, [a]), await watch(c, [b])];
    await until(() => streams.every((stream) => stream.newest >= 1));
    assert.deepEqual(asked, [a.address]);
    await publishRest(sink, 3);
    await ended(streams);
    const origins = published();
    assert.ok(origins.length >= 40, `${origins.length}`);
    for (const stream of streams) {
      assert.deepEqual(parts(stream), origins);
      for (const { sequence } of streams[0]!.window.held(SOURCE_RUNG)) {
        assert.deepEqual(wholeSegment(stream, SOURCE_RUNG, sequence), wholeSegment(streams[0]!, SOURCE_RUNG, sequence));
      }
    }
    // What was sent on is in nobody's receipt.
    assert.deepEqual([a.earned, b.earned, c.earned], [[], [], []]);
    assert.deepEqual([failures(a), failures(b), failures(c)], [[], [], []]);
  });

  it("tell the origin that a viewer sees each picture, or waits for the next part, and that none does any more", async () => {
    const [origin, a, b] = [await startNode(), await startNode(), await startNode()];
    const sink = await begin(origin, 3);
    const below = [await watch(a), await watch(b, [a])][1]!;
    assert.equal(sink.mayWait, true);
    const leave = below.frames.follow(SOURCE_RUNG, { config() {}, frame() {}, takeBack() {}, end() {} });
    await until(() => sink.mayWait === false);
    leave();
    await until(() => sink.mayWait === true);
    below.awaited();
    await until(() => sink.mayWait === false);
    await publish(sink, 3, 9);
    await until(() => sink.mayWait === true);
    below.awaited();
    await until(() => sink.mayWait === false);
    // Whoever is gone waits for nothing.
    await b.stop();
    await until(() => sink.mayWait === true);
  });

  it("is found out by the next one within a part when it alters a byte, and no other is blamed", async () => {
    const alter = (message: MediaMessage): MediaMessage => {
      if (message.type !== "frame" || message.rung !== SOURCE_RUNG || message.sequence < 2) return message;
      return { ...message, frame: { ...message.frame, data: message.frame.data.map((byte) => byte ^ 1) } };
    };
    const [origin, liar] = [await startNode(), await startNode({ onLink: (link) => between(link, alter) })];
    const [b, c] = [await startNode(), await startNode()];
    const sink = await begin(origin, 3);
    const streams = [await watch(liar), await watch(b, [liar]), await watch(c, [b])];
    await until(() => streams.every((stream) => stream.newest >= 1));
    await publish(sink, 3, 6);
    await scene.balancer.until(() => holders(b).length === 2);
    await publishRest(sink, 6);
    await ended(streams);
    assert.deepEqual(holders(b), [liar.address, origin.address]);
    assert.deepEqual(failures(b), [[liar.address, "DELIVERY_PART_ALTERED"]]);
    for (const stream of streams) assert.deepEqual(parts(stream), published());
    // It had the liar's pictures too, and they came to nothing.
    assert.deepEqual([holders(c)[0], failures(c)], [b.address, []]);
  });

  for (const [what, code, change] of [
    ["moves a clock", "DELIVERY_PART_ALTERED", { wallClockMs: 1 }],
    ["makes up a discontinuity", "DELIVERY_PART_ALTERED", { discontinuity: true }],
  ] as const) {
    it(`is found out when it ${what}, which no byte of media shows`, async () => {
      const alter = (message: MediaMessage): MediaMessage =>
        message.type === "segmentStart" ? { ...message, ...change } : message;
      const [origin, liar] = [await startNode(), await startNode({ onLink: (link) => between(link, alter) })];
      const b = await startNode();
      const sink = await begin(origin, 3);
      const streams = [await watch(liar), await watch(b, [liar])];
      await scene.balancer.until(() => holders(b).length === 2);
      await publishRest(sink, 3);
      await ended(streams);
      assert.deepEqual(failures(b), [[liar.address, code]]);
      assert.deepEqual(parts(streams[1]!), published());
    });
  }

  it("is found out when it leaves out the end of a segment", async () => {
    const onLink = (link: MediaConnection): MediaConnection => {
      let frames = 0;
      let isCut = false;
      return between(link, (message) => {
        if (!("rung" in message) || message.rung !== SOURCE_RUNG) return message;
        if (message.type === "segmentStart") [frames, isCut] = [0, false];
        else if (message.type === "segmentEnd") return { ...message, frames };
        else if (isCut) return undefined;
        else if (message.type === "frame") frames += 1;
        else if (message.type === "partMark") isCut = message.part === 2;
        return message;
      });
    };
    const [origin, liar, b] = [await startNode(), await startNode({ onLink }), await startNode()];
    const sink = await begin(origin, 3);
    const streams = [await watch(liar), await watch(b, [liar])];
    await scene.balancer.until(() => holders(b).length === 2);
    await publishRest(sink, 3);
    await ended(streams);
    assert.deepEqual(failures(b), [[liar.address, "STATEMENT_SIGNER_WRONG"]]);
    assert.deepEqual(parts(streams[1]!), published());
  });

  for (const [what, lies] of [
    ["names a segment far ahead", [{ sequence: 4_000_000_000 }]],
    ["begins a segment over and over", Array.from({ length: 100 }, (_, wallClockMs) => ({ wallClockMs }))],
  ] as const) {
    it(`harms nobody who hangs below the next one when it ${what}`, async () => {
      const onLink = (link: MediaConnection): MediaConnection => ({
        ...between(link, (message) => message),
        send: async (message) => {
          const isLie = message.type === "segmentStart" && message.rung === SOURCE_RUNG && message.sequence === 1;
          for (const lie of isLie ? lies : []) await link.send({ ...message, ...lie });
          if (!isLie) await link.send(message);
        },
      });
      const [origin, liar] = [await startNode(), await startNode({ onLink })];
      const [b, c] = [await startNode(), await startNode()];
      const sink = await begin(origin, 1);
      const streams = [await watch(liar), await watch(b, [liar]), await watch(c, [b])];
      await publish(sink, 1, 6);
      await scene.balancer.until(() => holders(b).length === 2);
      await publishRest(sink, 6);
      await ended(streams);
      for (const stream of streams) assert.deepEqual(parts(stream), published());
      assert.deepEqual(failures(b), [[liar.address, "DELIVERY_MESSAGE_UNEXPECTED"]]);
      assert.deepEqual([holders(c)[0], failures(c)], [b.address, []]);
    });
  }

  it("is not believed when it says that the stream is over", async () => {
    let links = 0;
    const end = (message: MediaMessage): MediaMessage =>
      message.type === "segmentEnd" && message.rung === SOURCE_RUNG ? { type: "end", code: "STREAM_ENDED" } : message;
    const onLink = (link: MediaConnection) => {
      links += 1;
      return between(link, end);
    };
    const [origin, liar, b] = [await startNode(), await startNode({ onLink }), await startNode()];
    const sink = await begin(origin, 3);
    const streams = [await watch(liar), await watch(b, [liar])];
    await scene.balancer.until(() => holders(b).length === 2);
    await publishRest(sink, 3);
    await ended(streams);
    assert.deepEqual([holders(b), links], [[liar.address, origin.address], 1]);
    assert.deepEqual(parts(streams[1]!), published());
  });

  it("goes on from the next parent when one is killed within a segment, and lacks no part", async () => {
    const [origin, a, other, b, c] = [
      await startNode(),
      await startNode(),
      await startNode(),
      await startNode(),
      await startNode(),
    ];
    const sink = await begin(origin, 3);
    await watch(a);
    const streams = [await watch(other), await watch(b, [a, other]), await watch(c, [b, other])];
    const streamB = streams[1]!;
    await publish(sink, 3, 5);
    // Within the third segment, with a part of it.
    await until(() => streams.every((stream) => stream.partBytes(SOURCE_RUNG, 2, 1) !== undefined));
    const before = parts(streamB);
    await a.crash();
    await scene.balancer.until(() => holders(b).length === 2);
    assert.deepEqual(holders(b), [a.address, other.address]);
    await publishRest(sink, 5);
    await ended(streams);
    assert.deepEqual(
      failures(b).map(([node]) => node),
      [a.address],
    );
    assert.deepEqual(parts(streamB).slice(0, before.length), before);
    for (const stream of streams) assert.deepEqual(parts(stream), published());
    // Who is below it noticed nothing.
    assert.deepEqual([holders(c)[0], failures(c)], [b.address, []]);
  });

  it("leaves a parent that says nothing any more, and stays with one that has nothing to say", async () => {
    const mute = new Set<MediaNode>();
    const deliveryOptions = { silenceMs: 600 };
    const startMutable = async () => {
      const onLink = (link: MediaConnection) => between(link, (message) => (mute.has(node) ? undefined : message));
      const node: MediaNode = await startNode({ onLink });
      return node;
    };
    const origin = await startNode();
    const parents = [await startMutable(), await startMutable()] as const;
    const quiet = await startNode();
    const edges = [await startNode({ deliveryOptions }), await startNode({ deliveryOptions })] as const;
    const patient = await startNode({ deliveryOptions });
    const sink = await begin(origin, 3);
    const streams = [await watch(quiet), await watch(patient, [quiet])];
    for (const parent of parents) streams.push(await watch(parent));
    for (const [at, edge] of edges.entries()) streams.push(await watch(edge, [parents[at]!]));
    await until(() => streams.every((stream) => stream.newest >= 1));
    // Nothing is published meanwhile: whoever is not mute has as little to say, twice over.
    for (const [at, edge] of edges.entries()) {
      mute.add(parents[at]!);
      await scene.balancer.until(() => holders(edge).length === 2);
      assert.deepEqual(failures(edge), [[parents[at]!.address, "DELIVERY_PARENT_SILENT"]]);
    }
    assert.deepEqual(holders(patient), [quiet.address]);
    await publishRest(sink, 3);
    await ended(streams);
    for (const stream of streams) assert.deepEqual(parts(stream), published());
  });

  it("leaves a parent that trickles, and lacks no part", async () => {
    const onLink = (link: MediaConnection): MediaConnection => {
      let last = Promise.resolve();
      const send = (message: MediaMessage) => {
        // Ten pictures a second, in as many seconds.
        if (message.type === "frame" && message.sequence > 0) last = last.then(() => systemClock.sleep(300));
        last = last.then(() => link.send(message));
        return last;
      };
      return { ...between(link, (message) => message), send };
    };
    const [origin, slow] = [await startNode(), await startNode({ onLink })];
    // Before that one lets it go on with the newest, as one that is six seconds behind.
    const deliveryOptions = { behindMs: 1_000, holderWaitMs: 2_000 };
    const [b, c] = [await startNode({ deliveryOptions }), await startNode()];
    const sink = await begin(origin, 3);
    const streams = [await watch(slow), await watch(b, [slow]), await watch(c, [b])];
    await publish(sink, 3, 6);
    await scene.balancer.until(() => holders(b).length === 2);
    assert.deepEqual(
      [holders(b), failures(b)],
      [[slow.address, origin.address], [[slow.address, "DELIVERY_PARENT_LATE"]]],
    );
    await publishRest(sink, 6);
    await ended(streams.slice(1));
    for (const stream of streams.slice(1)) assert.deepEqual(parts(stream), published());
    assert.deepEqual([holders(c)[0], failures(c)], [b.address, []]);
  });

  it("feeds no more than it would, and nobody without a job", async () => {
    const deliveryOptions = { feeds: 2 };
    const [origin, a] = [await startNode(), await startNode({ deliveryOptions })];
    const edges = [await startNode(), await startNode(), await startNode()];
    const sink = await begin(origin, 3);
    const streams = [await watch(a)];
    for (const edge of edges) streams.push(await watch(edge, [a]));
    assert.deepEqual(
      edges.map((edge) => holders(edge)[0]),
      [a.address, a.address, origin.address],
    );
    assert.deepEqual(edges.flatMap(failures), [[a.address, "DELIVERY_FEEDS_FULL"]]);
    const stranger = await startNode();
    const terms = await scene.balancer.terms(edges[0]!, scene.balancer.deliverySpec());
    const link = await stranger.host.openMedia(a.host.multiaddrs(), a.address);
    await link.send(subscriptionOf(terms, origin.address));
    const answers: MediaMessage[] = [];
    for await (const message of link.messages) answers.push(message);
    assert.deepEqual(answers, [{ type: "refused", code: "JOB_ASSIGNMENT_NODE_WRONG" }]);
    await publishRest(sink, 3);
    await ended(streams);
  });

  it("says of itself that it is there once it has some of the stream, whatever the one above it says", async () => {
    const deliveryOptions = { silenceMs: 600 };
    const isWord = ({ type }: MediaMessage) => type === "accepted" || type === "alive";
    // In the place of all that it should send it says that it is there.
    const alive = { type: "alive" } as const;
    const onLink = (link: MediaConnection) => between(link, (message) => (isWord(message) ? message : alive));
    const [origin, liar] = [await startNode(), await startNode({ onLink })];
    const [b, c] = [await startNode({ deliveryOptions }), await startNode({ deliveryOptions })];
    const sink = await begin(origin, 3);
    await watch(liar);
    await watch(b, [liar]);
    const stream = await watch(c, [b]);
    await scene.balancer.until(() => holders(c).length === 2);
    assert.deepEqual(failures(c), [[b.address, "DELIVERY_PARENT_SILENT"]]);
    // Once the stream is over the liar goes without a word.
    assert.deepEqual(holders(b), [liar.address]);
    await publishRest(sink, 3);
    await ended([stream]);
    assert.deepEqual(parts(stream), published());
  });

  it("feeds an edge by one link a job, the newest", async () => {
    const [origin, a, b] = [await startNode(), await startNode({ deliveryOptions: { feeds: 1 } }), await startNode()];
    await begin(origin, 3);
    await watch(a);
    const ask = async (terms: JobTerms) => {
      const link = await b.host.openMedia(a.host.multiaddrs(), a.address);
      await link.send(subscriptionOf(terms, origin.address));
      for await (const message of link.messages) return { link, message };
      throw new Error("no answer");
    };
    const [one, other] = [
      await scene.balancer.terms(b, scene.balancer.deliverySpec()),
      await scene.balancer.terms(b, scene.balancer.deliverySpec()),
    ];
    const first = await ask(one);
    const again = await ask(one);
    assert.deepEqual([first.message.type, again.message.type], ["accepted", "accepted"]);
    assert.ok((await first.link.ended) instanceof Error);
    assert.deepEqual((await ask(other)).message, { type: "refused", code: "DELIVERY_FEEDS_FULL" });
    again.link.abort(new Error("left"));
  });

  it("goes over to another parent when it is told to, and lacks no part", async () => {
    const [origin, a, b] = [await startNode(), await startNode(), await startNode()];
    const sink = await begin(origin, 3);
    const streams = [await watch(a), await watch(b)];
    await until(() => streams.every((stream) => stream.newest >= 1));
    const { job, attempt } = b.desk.runningJobs()[0]!;
    const parents = [scene.balancer.originOf(a)];
    await scene.balancer.ask(b, "job.update", { job, attempt, parents });
    await scene.balancer.until(() => holders(b).length === 2);
    await publishRest(sink, 3);
    await ended(streams);
    assert.deepEqual([holders(b)[1], failures(b)], [a.address, []]);
    for (const stream of streams) assert.deepEqual(parts(stream), published());
  });
});

describe("edges that feed edges a stream of pictures alone", function () {
  this.timeout(60_000);
  const scene = useEdgeTree({ audio: false });
  const { startNode, begin, publishRest, watch, holders, ended, parts, published } = scene;

  it("stay with one that changes its holder while the source pauses", async () => {
    const deliveryOptions = { silenceMs: 600, behindMs: 2_000 };
    const mute = new Set<MediaNode>();
    const onLink = (link: MediaConnection) => between(link, (message) => (mute.has(witness) ? undefined : message));
    const witness: MediaNode = await startNode({ onLink });
    const [origin, a, other] = [await startNode(), await startNode(), await startNode()];
    const [b, c] = [await startNode({ deliveryOptions }), await startNode({ deliveryOptions })];
    const others = [];
    while (others.length < 4) others.push(await startNode({ deliveryOptions }));
    // Pictures of a segment have come, and no part: nobody who is asked for it has anything that is signed.
    const sink = await begin(origin, 4.2);
    await watch(a);
    const streams = [await watch(other), await watch(b, [a, other]), await watch(c, [b]), await watch(witness)];
    await until(() => streams.every((stream) => stream.nextSequence === 2));
    await a.crash();
    await scene.balancer.until(() => holders(b).length === 2);
    // Edges in turn leave one that says nothing any more: as long as that takes, four times, nobody leaves this one.
    for (const edge of others) {
      mute.delete(witness);
      streams.push(await watch(edge, [witness]));
      mute.add(witness);
      await scene.balancer.until(() => holders(edge).length === 2);
    }
    assert.deepEqual([holders(b), holders(c)], [[a.address, other.address], [b.address]]);
    await publishRest(sink, 4.2);
    await ended(streams);
    for (const stream of streams) assert.deepEqual(parts(stream), published());
  });
});
