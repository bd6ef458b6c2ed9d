import assert from "node:assert/strict";
import { nameOfHash } from "@leat/node/media-io/srt/stream-id.ts";
import { StreamStore } from "@leat/node/store/sql/stream-store.ts";
import { type Hex, zeroAddress } from "@leat/sdk/protocol/hex.ts";
import { MAX_CLOCK_ERROR_SECONDS } from "@leat/sdk/protocol/limits.ts";
import { sql } from "drizzle-orm";
import { hashKey } from "../../../../node/services/balancer/ingest-ways.ts";
import type { PublishGrant } from "../../../../node/wire/session/messages.ts";
import { source, useBalancer } from "../../../support/balancer-scene.ts";
import { codeOf } from "../../../support/fake-market.ts";

describe("balancer", () => {
  const scene = useBalancer();
  const { create, publish, until, transcoders, edgesOf, goLive, countDecisions } = scene;

  it("makes a stream with two ingest nodes, a price and a key that is kept as a hash", async () => {
    const created = await create();
    assert.equal(created.ingestUrls.length, 2);
    for (const url of created.ingestUrls) assert.ok(url.endsWith(`/live/${created.streamKey}`));
    assert.equal(created.srtUrls.length, 2);
    assert.equal(new Set(created.srtUrls.map((url) => url.split("passphrase=")[1])).size, 2);
    for (const url of created.srtUrls) {
      assert.match(url, /^srt:\/\/127\.0\.0\.1:900\d\?streamid=sha256-[\w-]{43}&passphrase=[\w-]{32}$/);
      assert.ok(!url.includes(created.streamKey));
    }
    assert.equal(created.playbackUrl, `/play/${created.slug}`);
    assert.equal(created.quote.prices.pixelH264, 22n * 10n ** 17n);
    const dump = JSON.stringify(await scene.database.sql.execute(sql`select * from streams, stream_keys`));
    assert.ok(!dump.includes(created.streamKey));
  });

  it("refuses an unfunded buyer, a price above the ceiling and an unknown token", async () => {
    await assert.rejects(create({ priceCeilings: { pixelVp9: 44n * 10n ** 17n - 1n } }), codeOf("PRICE_ABOVE_CEILING"));
    await assert.rejects(create({ token: scene.nodes[0].address }), codeOf("STREAM_TOKEN_UNKNOWN"));
    scene.market.books.reserve = 0n;
    await assert.rejects(create(), codeOf("BUYER_UNFUNDED"));
  });

  it("gives work to nodes whose offer ran out in session, and whose quote by a clock that may be late", async () => {
    const nowSeconds = BigInt(Math.floor(scene.market.clock.nowMs() / 1_000));
    for (const node of scene.nodes) {
      node.offerUntil = 1n;
      node.quoteUntil = nowSeconds - BigInt(MAX_CLOCK_ERROR_SECONDS) + 1n;
      scene.market.hub.join(node);
    }
    const live = await goLive();
    assert.equal(transcoders(live.id).length, 2);
    for (const node of scene.nodes) node.quoteUntil -= 1n;
    const second = await create();
    await assert.rejects(publish(scene.nodes[0], second.streamKey), codeOf("QUOTE_WRONG"));
  });

  it("refuses an unknown key, a second publisher while frames are young, and lets one in after", async () => {
    const { streamKey, id } = await create();
    await assert.rejects(publish(scene.nodes[0], "wrong"), codeOf("STREAM_KEY_UNKNOWN"));
    await publish(scene.nodes[0], streamKey);
    await scene.market.hub.ask(scene.nodes[0], "publish.renew", {
      stream: id,
      lastFrameAgeMs: 0,
      sequence: 4,
      frames: 250,
      isOver: false,
      published: [],
    });
    await assert.rejects(publish(scene.nodes[1], streamKey), codeOf("PUBLISH_LEASE_HELD"));
    await scene.market.clock.advance(3_000);
    const grant = await publish(scene.nodes[1], streamKey);
    assert.equal(grant.startSequence, 5);
    assert.equal(grant.startFrame, 250);
    assert.equal(grant.startEpoch, 1);
    assert.equal(grant.discontinuity, true);
    await assert.rejects(
      scene.market.hub.ask(scene.nodes[0], "publish.renew", {
        stream: id,
        lastFrameAgeMs: 0,
        sequence: 5,
        frames: 260,
        isOver: false,
        published: [],
      }),
      codeOf("PUBLISH_LEASE_LOST"),
    );
  });

  it("lets a node replace a publisher of its own while frames are young, and none of another's", async () => {
    const { streamKey, id } = await create();
    const [first, second] = scene.nodes;
    const replace = (node: typeof first) =>
      scene.market.hub.ask(node, "publish.request", {
        keyHash: hashKey(streamKey),
        protocol: "whip",
        replaces: true,
      });
    await publish(first, streamKey);
    await scene.market.hub.ask(first, "publish.renew", {
      stream: id,
      lastFrameAgeMs: 0,
      sequence: 4,
      frames: 250,
      isOver: false,
      published: [],
    });
    await assert.rejects(publish(first, streamKey), codeOf("PUBLISH_LEASE_HELD"));
    await assert.rejects(replace(second), codeOf("PUBLISH_LEASE_HELD"));
    first.position = 4;
    const grant = await replace(first);
    assert.deepEqual([grant.stream, grant.startSequence, grant.startEpoch], [id, 5, 1]);
  });

  it("says why a node ended its publisher's connection, and since when, until it takes one in", async () => {
    const { streamKey, id } = await create();
    const [node] = scene.nodes;
    const { clock, balancer, hub } = scene.market;
    await publish(node, streamKey);
    const beganMs = clock.nowMs();
    const renew = (refused?: string) =>
      hub.ask(node, "publish.renew", {
        stream: id,
        lastFrameAgeMs: clock.nowMs() - beganMs,
        sequence: null,
        frames: 0,
        isOver: false,
        published: [],
        ...(refused !== undefined && { refused }),
      });
    const refusal = { part: "ingest", code: "RTMP_CODEC_UNSUPPORTED", atMs: beganMs };
    for (let seconds = 0; seconds < 3; seconds += 1) {
      await renew(refusal.code);
      assert.deepEqual(balancer.views.refusals(id), [refusal]);
      await clock.advance(1_000);
    }
    await renew();
    assert.deepEqual(balancer.views.refusals(id), []);
  });

  it("says why a publisher may not come back, whatever the node tells that waits for it", async () => {
    const { streamKey, id } = await create();
    const [node] = scene.nodes;
    await publish(node, streamKey);
    const renew = (more: object) =>
      scene.market.hub.ask(node, "publish.renew", {
        stream: id,
        lastFrameAgeMs: 0,
        sequence: null,
        frames: 0,
        isOver: false,
        published: [],
        ...more,
      });
    scene.market.books.reserve = 0n;
    const again = { keyHash: hashKey(streamKey), protocol: "rtmp", replaces: true } as const;
    await assert.rejects(scene.market.hub.ask(node, "publish.request", again), codeOf("BUYER_UNFUNDED"));
    for (const more of [{}, { refused: "RTMP_CODEC_UNSUPPORTED" }, {}]) {
      await renew(more);
      const codes = scene.market.balancer.views.refusals(id).map(({ code }) => code);
      assert.deepEqual(codes, ["BUYER_UNFUNDED"]);
    }
    scene.market.books.reserve = 10n ** 12n;
    await scene.market.hub.ask(node, "publish.request", again);
    assert.deepEqual(scene.market.balancer.views.refusals(id), []);
  });

  it("lets a publisher back within a heartbeat without another attempt, where its node has the stream yet", async () => {
    const { streamKey, id } = await create();
    const [node] = scene.nodes;
    const first = await publish(node, streamKey);
    const again = { keyHash: hashKey(streamKey), protocol: "rtmp", replaces: true } as const;
    const back = await scene.market.hub.ask(node, "publish.request", again);
    const attemptOf = ({ terms }: typeof first) => [terms.assignment.value.job, terms.assignment.value.attempt];
    assert.deepEqual(attemptOf(back), attemptOf(first));
    const [ingest] = await scene.market.balancer.views.jobs(scene.nodes[3].address, id);
    assert.equal(ingest?.attempts.length, 1);
  });

  it("hears nothing more of a stream from who had it, while another node is let in", async () => {
    const { streamKey, id } = await create();
    const [first, second] = scene.nodes;
    await publish(first, streamKey);
    const renew = (sequence: number) =>
      scene.market.hub.ask(first, "publish.renew", {
        stream: id,
        lastFrameAgeMs: 0,
        sequence,
        frames: sequence * 50,
        isOver: false,
        published: [],
      });
    await renew(4);
    await scene.market.clock.advance(3_000);
    const refused: Promise<void>[] = [];
    // It comes back in the moment in which it is asked how far it came.
    Object.defineProperty(first, "position", {
      get() {
        refused.push(assert.rejects(renew(9), codeOf("PUBLISH_LEASE_LOST")));
        return 4;
      },
    });
    const grant = await publish(second, streamKey);
    assert.equal(grant.startSequence, 5);
    await Promise.all(refused);
    assert.equal(refused.length, 1);
    const row = await new StreamStore(scene.database).find(id);
    assert.deepEqual([row?.nextSequence, row?.nextFrame], [5, 200n]);
  });

  it("lets who had a stream go on with it, where nobody else could be let in", async () => {
    const { streamKey, id } = await create();
    const [first, second] = scene.nodes;
    await publish(first, streamKey);
    await scene.market.clock.advance(3_000);
    second.refusals.set("quote.request", "QUOTE_REFUSED");
    await assert.rejects(publish(second, streamKey));
    const body = { stream: id, lastFrameAgeMs: 0, sequence: 4, frames: 250, isOver: false, published: [] };
    await scene.market.hub.ask(first, "publish.renew", body);
  });

  it("names the decision that drew the node by which a stream comes in, not a later one without it", async () => {
    // Of one node alone a second decision finds nobody.
    scene.market.hub.leave(scene.nodes[1]);
    const { streamKey } = await create();
    await until(async () => (await countDecisions()) === 2);
    // Both were made at one moment of the test's clock.
    for (const { id } of (await scene.database.sql.execute(sql`select id from selections`)) as { id: Hex }[]) {
      if ((await scene.market.balancer.selection(id)).receipt.value.winner !== zeroAddress) continue;
      await scene.database.sql.execute(sql`update selections set decided_at_ms = decided_at_ms + 1 where id = ${id}`);
    }
    const { terms } = await publish(scene.nodes[0], streamKey);
    const decision = await scene.market.balancer.selection(terms.selection);
    assert.equal(decision.receipt.value.winner, scene.nodes[0].address);
  });

  it("tells a stream's buyer of its start, its end and the viewers that edges turned away", async () => {
    const live = await goLive();
    await scene.market.hub.ask(live.ingest, "source.ready", { stream: live.id, source, partTargetMs: 250 });
    await scene.market.balancer.play(live.slug);
    const edge = edgesOf(live.id)[0]!.node;
    const stranger = scene.nodes.find((node) => edgesOf(live.id).every((other) => other.node !== node))!;
    const body = { stream: live.id, refusals: [{ code: "PLAYBACK_TOKEN_EXPIRED", count: 3 }] };
    await assert.rejects(scene.market.hub.ask(stranger, "viewers.refused", body), codeOf("JOB_NOT_YOURS"));
    await scene.market.hub.ask(edge, "viewers.refused", body);
    await scene.market.hub.ask(live.ingest, "publish.end", {
      stream: live.id,
      clean: true,
      lastSequence: 4,
      frames: 300,
    });
    await scene.market.hub.ask(live.ingest, "publish.end", {
      stream: live.id,
      clean: true,
      lastSequence: 4,
      frames: 300,
    });
    const minute = Math.floor(scene.market.clock.nowMs() / 60_000);
    const told = { account: scene.nodes[3].address };
    const stream = { stream: live.id, slug: live.slug };
    assert.deepEqual(scene.market.news, [
      { ...told, id: `stream.started.${live.id}`, type: "stream.started", data: { ...stream, source } },
      {
        ...told,
        id: `viewer.refused.${live.id}.${edge.address}.${minute}`,
        type: "viewer.refused",
        data: { ...stream, node: edge.address, refusals: body.refusals },
      },
      {
        ...told,
        id: `stream.ended.${live.id}`,
        type: "stream.ended",
        data: { ...stream, code: "STREAM_ENDED", frames: 300n, segments: 5 },
      },
    ]);
  });

  it("shows how a source does, and tells its buyer what two reports in a row agree on", async () => {
    const live = await goLive();
    await scene.market.hub.ask(live.ingest, "source.ready", { stream: live.id, source, partTargetMs: 250 });
    const good = {
      videoBitrate: 2_500_000,
      audioBitrate: 128_000,
      frameRate: 30,
      keyIntervalMs: 2_000,
      pace: 1,
      driftMs: 4,
      missingPictures: 0,
      silentMs: 12,
      videoBehindMs: 0,
      audioBehindMs: null,
      leftOut: null,
    };
    const slow = { ...good, pace: 0.7 };
    const { views } = scene.market.balancer;
    const hear = async (health: typeof good) => {
      await scene.market.clock.advance(1_000);
      const going = { lastFrameAgeMs: 0, sequence: 4, frames: 250, isOver: false, published: [] };
      await scene.market.hub.ask(live.ingest, "publish.renew", { stream: live.id, ...going, health });
    };
    const told = () => scene.market.news.filter(({ type }) => type === "stream.health").map(({ data }) => data.faults);
    assert.equal(views.health(live.id), undefined);
    await hear(good);
    assert.deepEqual([views.health(live.id)?.health, told()], [good, []]);
    await hear(good);
    assert.deepEqual(told(), [[]]);
    // One report alone is told to nobody, and a change waits until ten seconds after the last one.
    for (let second = 0; second < 12; second += 1) await hear(second === 0 ? slow : good);
    await hear(slow);
    assert.deepEqual([views.health(live.id)?.faults, told()], [["slow"], [[]]]);
    await hear(slow);
    assert.deepEqual(told(), [[], ["slow"]]);
    for (let second = 0; second < 9; second += 1) await hear(good);
    assert.deepEqual(told(), [[], ["slow"]]);
    for (let second = 0; second < 3; second += 1) await hear(good);
    assert.deepEqual(told(), [[], ["slow"], []]);
    const end = { stream: live.id, clean: true, lastSequence: 4, frames: 300 };
    await scene.market.hub.ask(live.ingest, "publish.end", end);
    assert.equal(views.health(live.id), undefined);
  });

  it("ends a stream once, whoever says it at the same time", async () => {
    const live = await goLive();
    const end = { stream: live.id, clean: true, lastSequence: 0, frames: 50 };
    await Promise.all([
      scene.market.hub.ask(live.ingest, "publish.end", end),
      scene.market.hub.ask(live.ingest, "publish.end", end),
    ]);
    assert.equal(scene.market.news.filter(({ type }) => type === "stream.ended").length, 1);
  });

  it("takes a second key beside the first, until the others are revoked", async () => {
    const { id, streamKey } = await create();
    const { address } = scene.nodes[3];
    await assert.rejects(scene.market.balancer.rotateKey(scene.nodes[2].address, id, true), codeOf("STREAM_UNKNOWN"));
    const { streamKey: second } = await scene.market.balancer.rotateKey(address, id, false);
    await publish(scene.nodes[0], streamKey);
    await assert.rejects(publish(scene.nodes[0], second), codeOf("PUBLISH_LEASE_HELD"));
    const { streamKey: third, ingestUrls, srtUrls } = await scene.market.balancer.rotateKey(address, id, true);
    for (const old of [streamKey, second]) {
      await assert.rejects(publish(scene.nodes[0], old), codeOf("STREAM_KEY_UNKNOWN"));
    }
    assert.ok(ingestUrls.length === 2 && ingestUrls.every((url) => url.endsWith(`/${third}`)));
    assert.ok(srtUrls.length === 2 && srtUrls.every((url) => url.includes(nameOfHash(hashKey(third)))));
    await scene.market.clock.advance(60_000);
    assert.equal((await publish(scene.nodes[0], third)).stream, id);
    await scene.market.balancer.endStream(address, id);
    await assert.rejects(scene.market.balancer.rotateKey(address, id, false), codeOf("STREAM_ENDED"));
  });

  it("lets whoever publishes with a revoked key go on no more, and the next one in at once", async () => {
    const { id, slug, streamKey } = await create();
    const { address } = scene.nodes[3];
    await publish(scene.nodes[0], streamKey);
    const renewal = { stream: id, lastFrameAgeMs: 0, frames: 250, isOver: false, published: [] };
    const renew = (at: number) => scene.market.hub.ask(scene.nodes[at]!, "publish.renew", { ...renewal, sequence: 4 });
    await renew(0);
    await scene.market.hub.ask(scene.nodes[0], "source.ready", { stream: id, source, partTargetMs: 250 });
    const { streamKey: next } = await scene.market.balancer.rotateKey(address, id, true);
    await assert.rejects(renew(0), codeOf("PUBLISH_LEASE_LOST"));
    // Nobody is sent to where nothing comes in.
    assert.deepEqual([(await scene.market.balancer.play(slug)).primary, edgesOf(id).length], [null, 0]);
    const grant = await publish(scene.nodes[1], next);
    assert.deepEqual([grant.startSequence, grant.discontinuity], [5, true]);
    await renew(1);
    const { streamKey: last } = await scene.market.balancer.rotateKey(address, id, true);
    await scene.market.clock.advance(120_000);
    await assert.rejects(publish(scene.nodes[1], last), codeOf("STREAM_ENDED"));
  });

  it("lets nobody in whose key is revoked while it waits, and ends a stream at once that nobody publishes any more", async () => {
    const { id, streamKey } = await create();
    const { address } = scene.nodes[3];
    await publish(scene.nodes[0], streamKey);
    await scene.market.hub.ask(scene.nodes[0], "publish.renew", {
      stream: id,
      lastFrameAgeMs: 0,
      sequence: 1,
      frames: 60,
      isOver: false,
      published: [],
    });
    scene.market.hub.leave(scene.nodes[0]);
    const waiting = assert.rejects(publish(scene.nodes[1], streamKey), codeOf("STREAM_KEY_UNKNOWN"));
    await until(async () => scene.market.clock.isSlept(3_000));
    await scene.market.balancer.rotateKey(address, id, true);
    await scene.market.clock.advance(3_000);
    await waiting;
    await scene.market.balancer.endStream(address, id);
    const { state, endCode } = await scene.market.balancer.views.stream(address, id);
    assert.deepEqual([state, endCode], ["ended", "STREAM_ENDED"]);
  });

  it("keeps a stream of which nothing was published when whoever tried is gone, and ends it else", async () => {
    const { id, streamKey } = await create();
    const state = async () => (await scene.market.balancer.views.stream(scene.nodes[3].address, id)).state;
    const end = { stream: id, clean: false, lastSequence: null, frames: 0 };
    for (const clean of [false, true]) {
      await publish(scene.nodes[0], streamKey);
      await scene.market.hub.ask(scene.nodes[0], "publish.end", { ...end, clean });
      assert.equal(await state(), "created");
    }
    // Whoever tries again and again makes no job and no decision.
    const decisions = await countDecisions();
    await publish(scene.nodes[0], streamKey);
    scene.market.hub.leave(scene.nodes[0]);
    await scene.market.clock.advance(120_000);
    await until(async () => (await state()) === "created");
    const jobs = await scene.market.balancer.views.jobs(scene.nodes[3].address, id);
    assert.deepEqual([jobs.length, await countDecisions()], [1, decisions]);
    scene.market.hub.join(scene.nodes[0]);
    await publish(scene.nodes[0], streamKey);
    await scene.market.hub.ask(scene.nodes[0], "publish.end", { ...end, lastSequence: 0, frames: 50 });
    assert.equal(await state(), "ended");
  });

  it("delays a takeover until the frames of a holder without session are old, then moves jobs to the new origin", async () => {
    const live = await goLive();
    await scene.market.balancer.play(live.slug);
    const old = transcoders(live.id).map(({ assignment }) => assignment.value.attempt);
    assert.deepEqual(old, [1, 1]);
    // Whichever of them the lottery made an edge.
    for (const node of scene.nodes) node.position = 7;
    scene.market.hub.leave(scene.nodes[0]);
    let grant: PublishGrant | undefined;
    void publish(scene.nodes[1], live.streamKey).then((found) => {
      grant = found;
    });
    await scene.market.clock.advance(2_900);
    assert.equal(grant, undefined);
    await scene.market.clock.advance(200);
    await until(() => grant !== undefined);
    assert.deepEqual([grant!.startSequence, grant!.partTargetMs], [8, 250]);
    await scene.market.hub.ask(scene.nodes[1], "source.ready", { stream: live.id, source, partTargetMs: 250 });
    await until(() => transcoders(live.id).filter(({ assignment }) => assignment.value.attempt > 1).length === 2);
    for (const { spec, assignment } of transcoders(live.id)) {
      assert.equal(spec.primitive === "transcode" && spec.origin.node, scene.nodes[1].address);
      assert.equal(assignment.value.node, scene.nodes[2].address);
    }
    assert.ok(scene.nodes.some((node) => node.told("job.update").length > 0));
  });

  it("shows a stream to its owner alone", async () => {
    const { id } = await create();
    await assert.rejects(scene.market.balancer.views.stream(scene.nodes[0].address, id), codeOf("STREAM_UNKNOWN"));
    assert.equal((await scene.market.balancer.views.stream(scene.nodes[3].address, id)).id, id);
  });
});
