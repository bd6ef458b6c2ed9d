import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nameOfHash } from "@leat/node/media-io/srt/stream-id.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec, JobTerms } from "@leat/sdk/protocol/job.ts";
import { MAX_CLOCK_ERROR_SECONDS } from "@leat/sdk/protocol/limits.ts";
import type { PlaybackPolicy } from "@leat/sdk/protocol/playback.ts";
import { explain } from "@leat/sdk/selection/explain.ts";
import { bodyFromText } from "@leat/sdk/selection/receipt.ts";
import { sql } from "drizzle-orm";
import { nativeStatements } from "../../../../node/kernel/secp.ts";
import { checkClaims, readToken } from "../../../../node/media-io/access/token.ts";
import { hashKey } from "../../../../node/services/balancer/streams.ts";
import { EvidenceService, evidenceOptions } from "../../../../node/services/faults/evidence-service.ts";
import { EvidenceFiles } from "../../../../node/store/evidence.ts";
import { SqlDatabase } from "../../../../node/store/sql/database.ts";
import { JobStore } from "../../../../node/store/sql/job-store.ts";
import { receipts } from "../../../../node/store/sql/schema.ts";
import { WireError } from "../../../../node/wire/errors.ts";
import type { BalancerRequest, PublishGrant } from "../../../../node/wire/session/messages.ts";
import { usdc } from "../../../support/candidates.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import {
  codeOf,
  domain,
  FakeBooks,
  type FakeMarket,
  FakeNode,
  randomHash,
  startMarket,
} from "../../../support/fake-market.ts";

import { makePlaybackSigner } from "../../../support/playback-keys.ts";

const ladder = [
  { name: "480p", codec: "h264" as const, height: 480, videoBitrate: 1_000_000, audioBitrate: 128_000 },
  { name: "240p", codec: "h264" as const, height: 240, videoBitrate: 400_000, audioBitrate: 96_000 },
  { name: "240p-vp9", codec: "vp9" as const, height: 240, videoBitrate: 300_000, audioBitrate: 96_000 },
];
const source = {
  video: { codec: "h264" as const, codecString: "avc1.64001f", width: 1280, height: 720, fps: 30 },
  audio: { codec: "aac" as const, codecString: "mp4a.40.2", sampleRate: 48_000, channels: 2 },
};

describe("balancer", () => {
  let folder: string;
  let database: SqlDatabase;
  let market: FakeMarket;
  let nodes: [a: FakeNode, b: FakeNode, c: FakeNode, buyer: FakeNode];
  before(async function () {
    this.timeout(60_000);
    folder = await mkdtemp(join(tmpdir(), "leat-balancer-"));
    database = await SqlDatabase.open(folder);
  });
  after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    nodes = [
      new FakeNode(1, ["ingest", "delivery"]),
      new FakeNode(2, ["ingest", "transcode", "delivery"]),
      new FakeNode(3, ["transcode", "delivery"]),
      new FakeNode(4, ["buyer"]),
    ];
    market = await startMarket(database, { nodes });
    for (const node of nodes) market.hub.join(node);
  });
  afterEach(async () => {
    await market.balancer.stop();
    await database.sql.execute(
      sql`truncate streams, stream_keys, leases, jobs, attempts, receipts, checks, selections, seed_epochs, standings`,
    );
  });

  const create = (changes: object = {}) =>
    market.balancer.createStream(nodes[3].address, {
      ladder,
      token: usdc,
      nonce: randomHash(9),
      unsignedBudgetBytes: 1_500n,
      ...changes,
    });
  const publish = (node: FakeNode, streamKey: string) =>
    market.hub.ask(node, "publish.request", { keyHash: hashKey(streamKey), protocol: "rtmp" });
  /** The database answers from a thread of its own: looks again until `done` holds. */
  const until = async (done: () => boolean | Promise<boolean>) => {
    while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  const transcoders = (stream: Hex) =>
    nodes.flatMap((node) =>
      [...node.jobs.values()].filter(({ spec }) => spec.primitive === "transcode" && spec.stream === stream),
    );
  const ownerOf = (terms: JobTerms) => nodes.find((node) => node.address === terms.assignment.value.node)!;

  interface EdgeOf {
    readonly node: FakeNode;
    readonly terms: JobTerms;
  }
  const edgesOf = (stream: Hex): EdgeOf[] =>
    nodes.flatMap((node) =>
      [...node.jobs.values()]
        .filter(({ spec }) => spec.primitive === "delivery" && spec.stream === stream)
        .map((terms) => ({ node, terms })),
    );
  type WithKeys = Extract<PlaybackPolicy, { type: "jwt" }>;
  const policyOf = ({ spec }: JobTerms) => (spec as DeliverySpec).playback as WithKeys;
  const updatesOf = (terms: JobTerms) =>
    (ownerOf(terms).told("job.update") as { job: Hex; playback: WithKeys }[])
      .filter(({ job }) => job === terms.assignment.value.job)
      .map(({ playback }) => playback);

  async function goLive(node = nodes[0], changes: object = {}) {
    const created = await create(changes);
    const grant = await publish(node, created.streamKey);
    node.jobs.set(grant.terms.assignment.value.job, grant.terms);
    const ready = await market.hub.ask(node, "source.ready", { stream: created.id, source });
    await until(() => transcoders(created.id).length === 2);
    return { ...created, grant, ready, ingest: node };
  }

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
    const dump = JSON.stringify(await database.sql.execute(sql`select * from streams, stream_keys`));
    assert.ok(!dump.includes(created.streamKey));
  });

  it("gives a stream's policy to its edges with the job, and every change of it at once", async () => {
    const [key, next] = [makePlaybackSigner("ES256", "k1"), makePlaybackSigner("EdDSA", "k2")];
    const live = await goLive(nodes[0], { playback: { type: "jwt", keys: [key.key] } });
    const now = market.clock.nowMs() / 1_000;
    const token = key.sign({ sub: live.slug, exp: now + 60 });
    await assert.rejects(market.balancer.play(live.slug), { code: "PLAYBACK_TOKEN_MISSING" });
    assert.deepEqual(edgesOf(live.id), []);
    const played = await market.balancer.play(live.slug, { token });
    assert.match(played.primary!.hls, new RegExp(`/live/${live.slug}/~${token}/master.m3u8$`));
    const edges = edgesOf(live.id);
    assert.equal(edges.length, 2);
    for (const { terms } of edges) {
      assert.deepEqual(policyOf(terms).keys[0], key.key);
      assert.deepEqual(updatesOf(terms), []);
    }

    await market.balancer.setPlayback(nodes[3].address, live.id, { type: "jwt", keys: [next.key] });
    for (const { terms } of edges) assert.deepEqual(updatesOf(terms)[0]!.keys[0], next.key);
    await assert.rejects(market.balancer.play(live.slug, { token }), { code: "PLAYBACK_TOKEN_KEY_UNKNOWN" });
    const shown = await market.balancer.views.stream(nodes[3].address, live.id);
    assert.deepEqual(shown.playback, { type: "jwt", keys: [next.key] });
    await market.balancer.setPlayback(nodes[3].address, live.id, { type: "public" });
    for (const { terms } of edges) assert.deepEqual(updatesOf(terms)[1], { type: "public" });
    assert.doesNotMatch((await market.balancer.play(live.slug, { token })).primary!.hls, /~/);
  });

  it("tells a policy to an edge that was away or did not answer, until it has it", async () => {
    const key = makePlaybackSigner("ES256");
    const live = await goLive();
    await market.balancer.play(live.slug);
    const [first, second] = edgesOf(live.id) as [EdgeOf, EdgeOf];
    second.node.refusals.set("job.update", "TIMED_OUT");
    market.hub.leave(first.node);
    await market.balancer.setPlayback(nodes[3].address, live.id, { type: "jwt", keys: [key.key] });
    assert.deepEqual(updatesOf(first.terms), []);
    const tries = updatesOf(second.terms).length;
    second.node.refusals.clear();
    await until(() => market.clock.sleeping > 0);
    await market.clock.advance(5_000);
    await until(() => updatesOf(second.terms).length > tries);
    market.hub.join(first.node);
    await until(() => updatesOf(first.terms).length === 1);
    assert.deepEqual(updatesOf(first.terms)[0]!.keys[0], key.key);
  });

  it("lets the buyer's agent in under every policy, by a token of its own key", async () => {
    const key = makePlaybackSigner("ES256");
    const secret = "sixteen-characters-and-more";
    for (const playback of [
      { type: "jwt" as const, keys: [key.key] },
      { type: "webhook" as const, url: "https://owner.test/", secret, failOpen: true },
    ]) {
      const live = await goLive(nodes[0], { playback });
      const token = key.sign({ sub: live.slug, exp: market.clock.nowMs() / 1_000 + 60 });
      if (playback.type === "jwt") await market.balancer.play(live.slug, { token });
      else market.access.admit = async () => {};
      await market.balancer.play(live.slug, { token });
      const watched = () =>
        (nodes[3].told("stream.watch") as { stream: Hex; edges: { hls: string }[] }[]).findLast(
          ({ stream }) => stream === live.id,
        )?.edges ?? [];
      await until(() => watched().length === 2);
      const edge = edgesOf(live.id)[0]!;
      const ticket = /\/~([^/]+)\//.exec(watched()[0]!.hls)![1]!;
      const claims = readToken(ticket, policyOf(edge.terms).keys);
      checkClaims(claims, [live.slug], {}, market.clock.nowMs());
      // And not by what the buyer's own server knows.
      assert.throws(() => readToken(ticket, [key.key]), { code: "PLAYBACK_TOKEN_KEY_UNKNOWN" });
    }
  });

  it("refuses a policy that cannot be one", async () => {
    const key = makePlaybackSigner("ES256");
    const pem = key.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
    const secret = "sixteen-characters-and-more";
    const wrong: [object, string][] = [
      [{ type: "jwt", keys: [{ kid: "a", alg: "ES256", publicKey: pem }] }, "PLAYBACK_KEY_PRIVATE"],
      [{ type: "jwt", keys: [{ ...key.key, publicKey: { ...key.key.publicKey, d: "AA" } }] }, "PLAYBACK_KEY_PRIVATE"],
      [{ type: "jwt", keys: [{ ...key.key, alg: "EdDSA" }] }, "PLAYBACK_KEY_ALGORITHM_WRONG"],
      [{ type: "jwt", keys: [{ ...key.key, publicKey: "no key" }] }, "PLAYBACK_KEY_INVALID"],
      [{ type: "jwt", keys: [key.key, key.key] }, "PLAYBACK_KEY_TWICE"],
      [{ type: "webhook", url: "https://user:word@owner.test/", secret }, "PLAYBACK_WEBHOOK_URL_INVALID"],
    ];
    for (const [playback, code] of wrong) await assert.rejects(create({ playback }), codeOf(code), code);
    const spki = createPublicKey(key.privateKey).export({ type: "spki", format: "pem" });
    const { id } = await create({ playback: { type: "jwt", keys: [{ ...key.key, publicKey: spki }] } });
    const { playback } = await market.balancer.views.stream(nodes[3].address, id);
    assert.deepEqual(playback, { type: "jwt", keys: [key.key] });
  });

  it("refuses an unfunded buyer, a price above the ceiling and an unknown token", async () => {
    await assert.rejects(create({ priceCeilings: { pixelVp9: 44n * 10n ** 17n - 1n } }), codeOf("PRICE_ABOVE_CEILING"));
    await assert.rejects(create({ token: nodes[0].address }), codeOf("STREAM_TOKEN_UNKNOWN"));
    market.books.reserve = 0n;
    await assert.rejects(create(), codeOf("BUYER_UNFUNDED"));
  });

  it("gives work to nodes whose offer ran out in session, and whose quote by a clock that may be late", async () => {
    const nowSeconds = BigInt(Math.floor(market.clock.nowMs() / 1_000));
    for (const node of nodes) {
      node.offerUntil = 1n;
      node.quoteUntil = nowSeconds - BigInt(MAX_CLOCK_ERROR_SECONDS) + 1n;
      market.hub.join(node);
    }
    const live = await goLive();
    assert.equal(transcoders(live.id).length, 2);
    for (const node of nodes) node.quoteUntil -= 1n;
    const second = await create();
    await assert.rejects(publish(nodes[0], second.streamKey), codeOf("QUOTE_WRONG"));
  });

  it("refuses an unknown key, a second publisher while frames are young, and lets one in after", async () => {
    const { streamKey, id } = await create();
    await assert.rejects(publish(nodes[0], "wrong"), codeOf("STREAM_KEY_UNKNOWN"));
    await publish(nodes[0], streamKey);
    await market.hub.ask(nodes[0], "publish.renew", {
      stream: id,
      lastFrameAgeMs: 0,
      sequence: 4,
      frames: 250,
      isOver: false,
      published: [],
    });
    await assert.rejects(publish(nodes[1], streamKey), codeOf("PUBLISH_LEASE_HELD"));
    await market.clock.advance(3_000);
    const grant = await publish(nodes[1], streamKey);
    assert.equal(grant.startSequence, 5);
    assert.equal(grant.startFrame, 250);
    assert.equal(grant.startEpoch, 1);
    assert.equal(grant.discontinuity, true);
    await assert.rejects(
      market.hub.ask(nodes[0], "publish.renew", {
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

  it("tells a stream's buyer of its start, its end and the viewers that edges turned away", async () => {
    const live = await goLive();
    await market.hub.ask(live.ingest, "source.ready", { stream: live.id, source });
    await market.balancer.play(live.slug);
    const edge = edgesOf(live.id)[0]!.node;
    const stranger = nodes.find((node) => edgesOf(live.id).every((other) => other.node !== node))!;
    const body = { stream: live.id, refusals: [{ code: "PLAYBACK_TOKEN_EXPIRED", count: 3 }] };
    await assert.rejects(market.hub.ask(stranger, "viewers.refused", body), codeOf("JOB_NOT_YOURS"));
    await market.hub.ask(edge, "viewers.refused", body);
    await market.hub.ask(live.ingest, "publish.end", { stream: live.id, clean: true, lastSequence: 4, frames: 300 });
    await market.hub.ask(live.ingest, "publish.end", { stream: live.id, clean: true, lastSequence: 4, frames: 300 });
    const minute = Math.floor(market.clock.nowMs() / 60_000);
    const told = { account: nodes[3].address };
    const stream = { stream: live.id, slug: live.slug };
    assert.deepEqual(market.news, [
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

  it("ends a stream once, whoever says it at the same time", async () => {
    const live = await goLive();
    const end = { stream: live.id, clean: true, lastSequence: null, frames: 0 };
    await Promise.all([
      market.hub.ask(live.ingest, "publish.end", end),
      market.hub.ask(live.ingest, "publish.end", end),
    ]);
    assert.equal(market.news.filter(({ type }) => type === "stream.ended").length, 1);
  });

  it("takes a second key beside the first, until the others are revoked", async () => {
    const { id, streamKey } = await create();
    const { address } = nodes[3];
    await assert.rejects(market.balancer.rotateKey(nodes[2].address, id, true), codeOf("STREAM_UNKNOWN"));
    const { streamKey: second } = await market.balancer.rotateKey(address, id, false);
    await publish(nodes[0], streamKey);
    await assert.rejects(publish(nodes[0], second), codeOf("PUBLISH_LEASE_HELD"));
    const { streamKey: third, srtUrls } = await market.balancer.rotateKey(address, id, true);
    for (const old of [streamKey, second]) {
      await assert.rejects(publish(nodes[0], old), codeOf("STREAM_KEY_UNKNOWN"));
    }
    assert.ok(srtUrls.length === 2 && srtUrls.every((url) => url.includes(nameOfHash(hashKey(third)))));
    await market.clock.advance(60_000);
    assert.equal((await publish(nodes[0], third)).stream, id);
  });

  it("delays a takeover until the frames of a holder without session are old, then moves jobs to the new origin", async () => {
    const live = await goLive();
    await market.balancer.play(live.slug);
    const old = transcoders(live.id).map(({ assignment }) => assignment.value.attempt);
    assert.deepEqual(old, [1, 1]);
    // Whichever of them the lottery made an edge.
    for (const node of nodes) node.position = 7;
    market.hub.leave(nodes[0]);
    let grant: PublishGrant | undefined;
    void publish(nodes[1], live.streamKey).then((found) => {
      grant = found;
    });
    await market.clock.advance(2_900);
    assert.equal(grant, undefined);
    await market.clock.advance(200);
    await until(() => grant !== undefined);
    assert.equal(grant!.startSequence, 8);
    await market.hub.ask(nodes[1], "source.ready", { stream: live.id, source });
    await until(() => transcoders(live.id).filter(({ assignment }) => assignment.value.attempt > 1).length === 2);
    for (const { spec, assignment } of transcoders(live.id)) {
      assert.equal(spec.primitive === "transcode" && spec.origin.node, nodes[1].address);
      assert.equal(assignment.value.node, nodes[2].address);
    }
    assert.ok(nodes.some((node) => node.told("job.update").length > 0));
  });

  it("places one transcode job per family, never on the ingest node, with a receipt that anybody can recompute", async () => {
    const { id, ready } = await goLive(nodes[1]);
    assert.deepEqual(
      ready.renditions.map(({ name, rung }) => [name, rung]),
      [
        ["480p", 1],
        ["240p", 2],
        ["240p-vp9", 3],
        ["audio-aac", 100],
        ["audio-opus", 101],
      ],
    );
    for (const terms of transcoders(id)) {
      assert.notEqual(terms.assignment.value.node, nodes[1].address);
      const { receipt, body, commit } = await market.balancer.selection(terms.selection);
      const rows = await market.balancer.candidates(receipt.value.tableRoot);
      const anchor = commit!.value.anchor;
      const explanation = explain({ receipt: receipt.value, body: bodyFromText(body), rows, anchor });
      assert.ok(explanation.agrees);
      assert.equal(explanation.selection.winner, terms.assignment.value.node);
    }
  });

  it("places no transcode for a stream of sound alone, and plays it from edges", async () => {
    const created = await create();
    const grant = await publish(nodes[0], created.streamKey);
    nodes[0].jobs.set(grant.terms.assignment.value.job, grant.terms);
    const { audio } = source;
    const ready = await market.hub.ask(nodes[0], "source.ready", { stream: created.id, source: { audio } });
    assert.deepEqual(
      ready.renditions.map(({ name, rung }) => [name, rung]),
      [
        ["audio-aac", 100],
        ["audio-opus", 101],
      ],
    );
    const { primary } = await market.balancer.play(created.slug);
    assert.ok(primary!.hls.endsWith(`/live/${created.slug}/master.m3u8`));
    const placed = nodes.flatMap((node) => [...node.jobs.values()].map(({ spec }) => spec.primitive));
    assert.deepEqual(placed.sort(), ["delivery", "delivery", "ingest"]);
  });

  it("offers a job to the next node when one refuses", async () => {
    nodes[1].refusals.set("job.assign", "JOB_CAPACITY_SHORT");
    const { id } = await goLive();
    for (const terms of transcoders(id)) assert.equal(terms.assignment.value.node, nodes[2].address);
  });

  it("owes a checked transcode at wholesale and earns it at retail", async () => {
    const { id, ingest } = await goLive();
    const terms = transcoders(id)[0]!;
    const worker = ownerOf(terms);
    const submit = await worker.receipt(terms, 0);
    await market.hub.ask(worker, "receipt.submit", submit);
    await market.hub.ask(worker, "receipt.submit", submit);
    assert.equal(market.books.owed.length, 1);
    assert.deepEqual(market.books.passedKeys, []);
    const { exact } = market.books.owed[0]!;
    assert.equal(market.books.earnedWork[0]!.exact, (exact * 11n) / 10n);
    await market.hub.ask(ingest, "check.submit", await ingest.check(submit.receipt.value, 1));
    assert.equal(new Set(market.books.passedKeys).size, 1);
  });

  it("refuses receipts of others, of other quotes, with other leaves, out of range, and a second one", async () => {
    const { id } = await goLive();
    const terms = transcoders(id)[0]!;
    const worker = ownerOf(terms);
    const other = nodes.find((node) => node !== worker)!;
    const ask = (from: FakeNode, body: Awaited<ReturnType<FakeNode["receipt"]>>) =>
      market.hub.ask(from, "receipt.submit", body);
    await assert.rejects(ask(other, await worker.receipt(terms, 0)), codeOf("JOB_NOT_YOURS"));
    await assert.rejects(ask(worker, await other.receipt(terms, 0)), codeOf("RECEIPT_SIGNER_WRONG"));
    const quoteHash = randomHash(1);
    await assert.rejects(ask(worker, await worker.receipt(terms, 0, { quoteHash })), codeOf("RECEIPT_QUOTE_WRONG"));
    const sizeBytes = 1n;
    await assert.rejects(ask(worker, await worker.receipt(terms, 0, { sizeBytes })), codeOf("RECEIPT_LEAVES_WRONG"));
    await ask(worker, await worker.receipt(terms, 0));
    await assert.rejects(ask(worker, await worker.receipt(terms, 0, { durationMs: 1 })), codeOf("RECEIPT_CONFLICT"));
    assert.equal(market.books.owed.length, 1);
  });

  it("keeps two receipts of one work as evidence, drops the node at once and gives it nothing more", async () => {
    const files = new EvidenceFiles(join(folder, "faults"));
    const quiet = { clock: market.clock, logger: silentLogger, metrics: silentMetrics };
    const evidence = new EvidenceService(
      {
        files,
        statements: nativeStatements,
        domain,
        faults: undefined,
        sender: { send: () => assert.fail("nothing is reported unless it is set") },
        reporter: usdc,
        ...quiet,
      },
      defaultsOf(evidenceOptions),
    );
    await market.balancer.stop();
    market = await startMarket(database, { nodes, evidence });
    for (const node of nodes) market.hub.join(node);
    const { id } = await goLive();
    const terms = transcoders(id)[0]!;
    const worker = ownerOf(terms);
    const { job } = terms.assignment.value;
    const first = await worker.receipt(terms, 0);
    const second = await worker.receipt(terms, 0, { durationMs: 1 });
    await market.hub.ask(worker, "receipt.submit", first);
    await assert.rejects(market.hub.ask(worker, "receipt.submit", second), codeOf("RECEIPT_CONFLICT"));
    assert.deepEqual(await files.list(), [{ first: first.receipt, second: second.receipt }]);
    assert.equal(evidence.isGuilty(worker.address), true);
    await until(() => transcoders(id).some((other) => other.assignment.value.job === job && ownerOf(other) !== worker));
    // A node that did nothing wrong cannot be accused by a second receipt that somebody else signed.
    assert.equal(await evidence.keep({ first: first.receipt, second: first.receipt }), false);
  });

  it("drops a transcoder whose work failed a check and places the rest elsewhere", async () => {
    const { id, ingest } = await goLive();
    const terms = transcoders(id)[0]!;
    const worker = ownerOf(terms);
    const { job } = terms.assignment.value;
    const submit = await worker.receipt(terms, 0);
    await market.hub.ask(worker, "receipt.submit", submit);
    await market.hub.ask(ingest, "check.submit", await ingest.check(submit.receipt.value, 2));
    assert.deepEqual(market.books.forfeited, [`${job} 1`]);
    await until(() => transcoders(id).some(({ assignment }) => assignment.value.job === job));
    const next = transcoders(id).find(({ assignment }) => assignment.value.job === job)!;
    assert.notEqual(next.assignment.value.node, worker.address);
    assert.equal(next.assignment.value.attempt, 2);
    await assert.rejects(
      market.hub.ask(worker, "receipt.submit", await worker.receipt(terms, 1)),
      codeOf("RECEIPT_RANGE_WRONG"),
    );
  });

  it("moves the jobs of a node that stays away longer than the grace", async () => {
    const { id } = await goLive();
    const lost = nodes[2];
    const had = transcoders(id).filter(({ assignment }) => assignment.value.node === lost.address).length;
    lost.jobs.clear();
    market.hub.leave(lost);
    await market.clock.advance(3_100);
    await until(() => transcoders(id).length === 2);
    const moved = transcoders(id).filter(({ assignment }) => assignment.value.attempt === 2);
    assert.equal(moved.length, had);
  });

  it("plays a stream from two different edges and pays them up to the budget", async () => {
    const live = await goLive();
    assert.deepEqual((await create().then(({ slug }) => market.balancer.play(slug))).primary, null);
    const { primary, fallback } = await market.balancer.play(live.slug);
    assert.ok(primary!.hls.endsWith(`/live/${live.slug}/master.m3u8`));
    assert.notEqual(primary!.hls, fallback!.hls);
    assert.deepEqual(await market.balancer.play(live.slug).then((again) => again.primary), primary);
    const edges = nodes.flatMap((node) =>
      [...node.jobs.values()].filter(({ spec }) => spec.primitive === "delivery").map((terms) => ({ node, terms })),
    );
    assert.equal(edges.length, 2);
    for (const { node, terms } of edges) {
      await market.hub.ask(node, "receipt.submit", await node.receipt(terms, 0));
    }
    const paid = market.books.owed.map(({ exact }) => exact / (5n * 10n ** 18n));
    assert.deepEqual(paid, [1_000n, 500n]);
    // Beyond the budget nothing is owed, and no buyer is asked for a voucher over nothing.
    await market.hub.ask(edges[0]!.node, "receipt.submit", await edges[0]!.node.receipt(edges[0]!.terms, 1));
    assert.equal(market.books.owed.at(-1)!.exact, 0n);
    assert.equal(market.books.earnedWork.length, 2);
  });

  it("drops an edge that failed a probe, whichever receipt the probe names", async () => {
    const live = await goLive();
    await market.balancer.play(live.slug);
    const edge = nodes.find((node) => [...node.jobs.values()].some(({ spec }) => spec.primitive === "delivery"))!;
    const terms = [...edge.jobs.values()].find(({ spec }) => spec.primitive === "delivery")!;
    const { job } = terms.assignment.value;
    const submit = await edge.receipt(terms, 0);
    await market.hub.ask(edge, "receipt.submit", submit);
    // The buyer compared with the transcoder's receipt before it knew of the edge's own.
    const compared = { ...submit.receipt.value, durationMs: 1 };
    await market.hub.ask(nodes[3], "check.submit", await nodes[3].check(compared, 2, 4));
    assert.deepEqual(market.books.forfeited, [`${job} 1`]);
    await until(() => nodes.every((node) => node.jobs.get(job)?.assignment.value.attempt !== 1));
  });

  it("pays a transcode only for the receipt that its check names", async () => {
    const { id, ingest } = await goLive();
    const terms = transcoders(id)[0]!;
    const worker = ownerOf(terms);
    const shown = await worker.receipt(terms, 0);
    await market.hub.ask(ingest, "check.submit", await ingest.check(shown.receipt.value, 1));
    await market.hub.ask(worker, "receipt.submit", await worker.receipt(terms, 0, { durationMs: 1_999 }));
    assert.deepEqual(market.books.passedKeys, []);
  });

  it("tells the buyer's agent of receipts and edges", async () => {
    const live = await goLive();
    await market.balancer.play(live.slug);
    const terms = transcoders(live.id)[0]!;
    const { ingest } = live;
    const [unchecked, passed] = [await ownerOf(terms).receipt(terms, 0), await ownerOf(terms).receipt(terms, 1)];
    for (const submit of [unchecked, passed]) await market.hub.ask(ownerOf(terms), "receipt.submit", submit);
    // What did not pass may say anything, and edges would be compared with it.
    await market.hub.ask(ingest, "check.submit", await ingest.check(passed.receipt.value, 1));
    await until(() => nodes[3].told("usage.report").length === 1);
    assert.deepEqual(
      nodes[3].told("usage.report").map((report) => (report as BalancerRequest<"usage.report">).receipt.value.seq),
      [1n],
    );
    await until(() => nodes[3].told("stream.watch").length > 0);
  });

  it("tells one buyer of its receipts whatever another refuses or leaves unanswered", async function () {
    this.timeout(60_000);
    const live = await goLive();
    const terms = transcoders(live.id)[0]!;
    const worker = ownerOf(terms);
    const work = async (sequence: number) => {
      const submit = await worker.receipt(terms, sequence);
      await market.hub.ask(worker, "receipt.submit", submit);
      await market.hub.ask(live.ingest, "check.submit", await live.ingest.check(submit.receipt.value, 1));
    };
    await work(0);
    await until(() => nodes[3].told("usage.report").length === 1);
    const [row] = await new JobStore(database).receiptsOf(live.id, 1);
    const mute = new FakeNode(5, ["buyer"]);
    const silence = Promise.withResolvers<never>();
    mute.answer = () => silence.promise;
    const refusing = new FakeNode(6, ["buyer"]);
    refusing.refusals.set("usage.report", "USAGE_PAID_TWICE");
    for (const other of [mute, refusing]) {
      market.hub.join(other);
      const { id } = await market.balancer.createStream(other.address, {
        ladder,
        token: usdc,
        nonce: randomHash(9),
        unsignedBudgetBytes: 0n,
      });
      // More than is read at once, all older than what follows.
      const rows = Array.from({ length: 501 }, (_, at) => {
        const seq = 1_000 * other.number + at;
        const hash: Hex = `0x${seq.toString(16).padStart(64, "0")}`;
        const of = { hash, stream: id, seq, kind: "ingest" as const };
        return { ...row!, ...of, booked: true, reported: false, receivedAtMs: 1 };
      });
      await database.sql.insert(receipts).values(rows);
    }
    await work(9);
    await until(() => nodes[3].told("usage.report").length === 2);
    await until(() => refusing.told("usage.report").length === 500);
    await market.clock.advance(1_000);
    await until(() => refusing.told("usage.report").length === 501);
    // Not again until much later.
    await market.clock.advance(10_000);
    await work(10);
    await until(() => nodes[3].told("usage.report").length === 3);
    assert.equal(refusing.told("usage.report").length, 501);
    silence.reject(new WireError({ code: "WIRE_PEER_SLOW", waitedFor: "answer" }));
  });

  it("ends everything when the publisher says goodbye", async () => {
    const live = await goLive();
    await market.balancer.play(live.slug);
    await market.hub.ask(live.ingest, "publish.end", { stream: live.id, clean: true, lastSequence: 3, frames: 200 });
    assert.equal(transcoders(live.id).length, 0);
    assert.equal((await market.balancer.play(live.slug)).state, "ended");
    await assert.rejects(publish(nodes[0], live.streamKey), codeOf("STREAM_ENDED"));
    const [stream] = await market.balancer.views.streams(nodes[3].address, 10);
    assert.deepEqual([stream?.nextFrame, stream?.nextSequence], [200n, 4]);
  });

  it("places a family again when its source is over only where a segment of it is missing", async () => {
    const live = await goLive();
    const [whole, short] = transcoders(live.id) as [JobTerms, JobTerms];
    const rungsOf = ({ spec }: JobTerms) => (spec.primitive === "transcode" ? spec.rungs.map(({ rung }) => rung) : []);
    const ask = market.hub.ask.bind(market.hub, live.ingest);
    const over = { stream: live.id, lastFrameAgeMs: 0, sequence: 3, frames: 240, isOver: true, published: [] };
    await ask("publish.renew", over);
    for (const [terms, sequence] of [[whole, 3] as const, [short, 2] as const]) {
      await ask("segment.published", { stream: live.id, rungs: rungsOf(terms), sequence });
    }
    const jobOf = ({ assignment }: JobTerms) => assignment.value.job;
    for (const terms of [whole, short]) {
      await market.hub.ask(ownerOf(terms), "job.done", { job: jobOf(terms), attempt: 1 });
      for (const node of nodes) node.jobs.delete(jobOf(terms));
    }
    await market.clock.advance(1_100);
    await until(() => transcoders(live.id).length === 1);
    const [again] = transcoders(live.id) as [JobTerms];
    assert.deepEqual([jobOf(again), again.assignment.value.attempt], [jobOf(short), 2]);
    assert.equal(again.spec.primitive === "transcode" && again.spec.startSequence, 3);
    await market.clock.advance(5_000);
    const attempts = await market.balancer.views.jobs(nodes[3].address, live.id);
    assert.equal(attempts.find(({ job }) => job.id === jobOf(whole))?.attempts.length, 1);
  });

  it("places nothing again of what became whole while it was away", async () => {
    const live = await goLive();
    const done = transcoders(live.id).map((terms) => ({ terms, node: ownerOf(terms) }));
    await market.balancer.stop();
    market = await startMarket(database, { nodes, clock: market.clock });
    for (const { terms, node } of done) node.jobs.delete(terms.assignment.value.job);
    for (const node of nodes) {
      const ended = done.filter((one) => one.node === node).map(({ terms }) => terms);
      const jobs = ended.map(({ assignment: { value } }) => ({
        job: value.job,
        attempt: value.attempt,
        primitive: "transcode" as const,
        stream: live.id,
        sequence: 3,
      }));
      market.hub.join(node, node.hello([...node.running(), ...jobs]));
    }
    for (const { terms, node } of done) {
      await market.hub.ask(node, "job.done", { job: terms.assignment.value.job, attempt: 1 });
    }
    // Nobody told it yet what there is. The database answers in turn: what would be placed is placed by then.
    await market.clock.advance(3_000);
    for (let look = 0; look < 50; look += 1) await market.balancer.views.jobs(nodes[3].address, live.id);
    assert.equal(transcoders(live.id).length, 0);
    await market.hub.ask(live.ingest, "publish.renew", {
      stream: live.id,
      lastFrameAgeMs: 0,
      sequence: 3,
      frames: 240,
      isOver: true,
      published: [1, 2, 3].map((rung) => ({ rung, sequence: 3 })),
    });
    await market.clock.advance(5_000);
    assert.equal(transcoders(live.id).length, 0);
    const jobs = await market.balancer.views.jobs(nodes[3].address, live.id);
    assert.deepEqual(
      jobs.map(({ attempts }) => attempts.length),
      [1, 1, 1],
    );
  });

  it("ends the jobs of a stream that was over before it was killed", async () => {
    const live = await goLive();
    const jobs = transcoders(live.id).map(({ assignment }) => assignment.value.job);
    await market.balancer.stop();
    await database.sql.execute(sql`update streams set state = 'ended', end_code = 'STREAM_ENDED'`);
    market = await startMarket(database, { nodes, clock: market.clock });
    for (const node of nodes) market.hub.join(node, node.hello());
    await until(() => transcoders(live.id).length === 0);
    const rows = await database.sql.execute(sql`select j.state, a.state as attempt from jobs j
      join attempts a on a.job = j.id where j.primitive = 'transcode'`);
    assert.deepEqual(
      rows,
      jobs.map(() => ({ state: "ended", attempt: "ended" })),
    );
  });

  it("shows a stream to its owner alone", async () => {
    const { id } = await create();
    await assert.rejects(market.balancer.views.stream(nodes[0].address, id), codeOf("STREAM_UNKNOWN"));
    assert.equal((await market.balancer.views.stream(nodes[3].address, id)).id, id);
  });

  it("adopts running jobs after a restart, goes on where it was, and moves what a node forgot", async () => {
    const live = await goLive();
    const before = transcoders(live.id);
    const submit = await ownerOf(before[0]!).receipt(before[0]!, 0);
    await market.hub.ask(ownerOf(before[0]!), "receipt.submit", submit);
    await market.balancer.stop();
    const books = new FakeBooks();
    market = await startMarket(database, { nodes, clock: market.clock, books });
    const [a, b, c, buyer] = nodes;
    const forgot = ownerOf(before[1]!);
    for (const node of [a, b, c, buyer]) {
      const jobs = node.running().filter(({ job }) => node !== forgot || job !== before[1]!.assignment.value.job);
      market.hub.join(node, node.hello(jobs));
    }
    await market.hub.ask(a, "publish.renew", {
      stream: live.id,
      lastFrameAgeMs: 0,
      sequence: 3,
      frames: 100,
      isOver: false,
      published: [],
    });
    await market.hub.ask(a, "check.submit", await a.check(submit.receipt.value, 1));
    assert.equal(new Set(books.passedKeys).size, 1);
    const { job } = before[1]!.assignment.value;
    await until(() =>
      transcoders(live.id).some(({ assignment }) => assignment.value.job === job && assignment.value.attempt === 2),
    );
    const kept = transcoders(live.id).find(({ assignment }) => assignment.value.job !== job)!;
    assert.equal(kept.assignment.value.attempt, 1);
  });
});
