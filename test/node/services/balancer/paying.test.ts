import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { JobTerms } from "@leat/sdk/protocol/job.ts";
import { toBaseUnits } from "@leat/sdk/protocol/units.ts";
import { sql } from "drizzle-orm";
import { hashKey } from "../../../../node/services/balancer/ingest-ways.ts";
import type { Work } from "../../../../node/services/payment/index.ts";
import { SqlDatabase } from "../../../../node/store/sql/database.ts";
import { JobStore } from "../../../../node/store/sql/job-store.ts";
import { usdc } from "../../../support/candidates.ts";
import { clusterAccount, codeOf, type FakeMarket, randomHash, startMarket } from "../../../support/fake-market.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { PaidNode, PayingBooks, PayingBuyer, workOf } from "../../../support/paying-market.ts";

const ladder = [
  { name: "480p", codec: "h264" as const, height: 480, videoBitrate: 1_000_000, audioBitrate: 128_000 },
  { name: "240p-vp9", codec: "vp9" as const, height: 240, videoBitrate: 300_000, audioBitrate: 96_000 },
];
const video = { codec: "h264" as const, codecString: "avc1.64001f", width: 1280, height: 720, fps: 30 };
const source = { video, audio: { codec: "aac" as const, codecString: "mp4a.40.2", sampleRate: 48_000, channels: 2 } };

describe("a balancer that is paid", () => {
  let folder: string;
  let database: SqlDatabase;
  let clock: ManualClock;
  let books: PayingBooks;
  let market: FakeMarket;
  let nodes: PaidNode[];
  let buyer: PayingBuyer;
  before(async function () {
    this.timeout(60_000);
    folder = await mkdtemp(join(tmpdir(), "leat-paying-"));
    database = await SqlDatabase.open(folder);
  });
  after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    await market.balancer.stop();
    await books.close();
    await database.sql.execute(
      sql`truncate streams, stream_keys, leases, jobs, attempts, receipts, checks, selections, seed_epochs, standings`,
    );
  });

  async function open(decimals: number) {
    clock = new ManualClock();
    nodes = [
      new PaidNode(1, ["ingest", "delivery"]),
      new PaidNode(2, ["ingest", "transcode", "delivery"]),
      new PaidNode(3, ["transcode", "delivery"]),
    ];
    buyer = new PayingBuyer(4, ["buyer"]);
    books = await PayingBooks.open(clock, decimals, { nodes, buyer });
    await startAgain();
  }
  async function startAgain(jobStore = new JobStore(database)) {
    market = await startMarket(database, { nodes, clock, books, jobStore });
    books.hub = market.hub;
    for (const node of [...nodes, buyer]) market.hub.join(node);
  }
  const until = async (done: () => boolean | Promise<boolean>) => {
    while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  const create = () =>
    market.balancer.createStream(buyer.address, {
      ladder,
      token: usdc,
      nonce: randomHash(9),
      unsignedBudgetBytes: 10n ** 9n,
    });
  const publish = async (streamKey: string) => {
    const grant = await market.hub.ask(nodes[0]!, "publish.request", { keyHash: hashKey(streamKey), protocol: "rtmp" });
    await nodes[0]!.admit(grant.terms);
    nodes[0]!.jobs.set(grant.terms.assignment.value.job, grant.terms);
    return grant;
  };
  const jobsOf = (stream: Hex) =>
    nodes.flatMap((node) =>
      [...node.jobs.values()].filter(({ spec }) => spec.stream === stream).map((terms) => ({ node, terms })),
    );
  async function goLive() {
    const created = await create();
    await publish(created.streamKey);
    await market.hub.ask(nodes[0]!, "source.ready", { stream: created.id, source });
    await until(() => jobsOf(created.id).length === 3);
    return created;
  }
  /** One segment of a job, 2 s, with the origin's check where it is a transcode. */
  async function work(node: PaidNode, terms: JobTerms, seq: number, verdict = 1) {
    const submit = await node.receipt(terms, seq);
    const worth = workOf(node, terms, submit);
    await node.payee.earned(worth);
    await market.hub.ask(node, "receipt.submit", submit);
    if (submit.kind === "transcode") {
      await market.hub.ask(nodes[0]!, "check.submit", await nodes[0]!.check(submit.receipt.value, verdict));
    }
    return { ...worth, node };
  }
  const renew = (stream: Hex, sequence: number) =>
    market.hub.ask(nodes[0]!, "publish.renew", {
      stream,
      lastFrameAgeMs: 0,
      sequence,
      frames: sequence * 60,
      isOver: false,
      published: [],
    });
  /** Live for so many segments; answers the code that ended it, if one did. */
  async function run(stream: Hex, from: number, segments: number): Promise<string | undefined> {
    for (let seq = from; seq < from + segments; seq += 1) {
      for (const { node, terms } of jobsOf(stream)) await work(node, terms, seq);
      await clock.advance(2_000);
      try {
        await renew(stream, seq);
      } catch (error) {
        return (error as { code: string }).code;
      }
    }
    return undefined;
  }

  async function comeBackAndPay() {
    market.hub.join(buyer);
    const store = new JobStore(database);
    await until(async () => (await store.unreportedOf([buyer.address], 1)).length === 0);
    await clock.advance(10_000);
    await until(async () => (await books.cluster.payee.status())[0]!.unpaidExact < 10n ** 24n);
  }

  it("goes on while the buyer is away for less than the credit, and ends the stream after", async function () {
    this.timeout(60_000);
    await open(6);
    const { id, streamKey } = await goLive();
    assert.equal(await run(id, 0, 5), undefined);
    market.hub.leave(buyer);
    assert.equal(await run(id, 5, 25), undefined);
    await comeBackAndPay();
    market.hub.leave(buyer);
    assert.equal(await run(id, 30, 25), undefined);
    assert.equal(await run(id, 55, 25), "STREAM_CREDIT_EXHAUSTED");
    const stream = await market.balancer.views.stream(buyer.address, id);
    assert.deepEqual([stream.state, stream.endCode], ["ended", "STREAM_CREDIT_EXHAUSTED"]);
    const told = nodes.flatMap((node) => node.told("job.end") as { code: string }[]);
    assert.deepEqual([...new Set(told.map(({ code }) => code))], ["STREAM_CREDIT_EXHAUSTED"]);
    await assert.rejects(renew(id, 99), codeOf("PUBLISH_LEASE_LOST"));
    await assert.rejects(publish(streamKey), codeOf("STREAM_ENDED"));
    // Nor another stream, until what is owed was paid.
    await clock.advance(60_000);
    const next = await create();
    await assert.rejects(publish(next.streamKey), codeOf("STREAM_CREDIT_EXHAUSTED"));
    await comeBackAndPay();
    await publish(next.streamKey);
  });

  it("ends the stream of a buyer whose reserve starts to thaw, before its work is unpaid", async function () {
    this.timeout(60_000);
    await open(6);
    const { id } = await goLive();
    assert.equal(await run(id, 0, 5), undefined);
    const channel = hubChannel(buyer.address, clusterAccount, usdc);
    const { reserve } = await books.channels.channelState(channel);
    books.channels.set(channel, { reserve: 0n, thawing: reserve });
    assert.equal(await run(id, 5, 5), "STREAM_RESERVE_SPENT");
    const stream = await market.balancer.views.stream(buyer.address, id);
    assert.deepEqual([stream.state, stream.endCode], ["ended", "STREAM_RESERVE_SPENT"]);
    // What was done until then is vouchered out of what thaws.
    await clock.advance(10_000);
    await until(async () => (await books.cluster.payee.status())[0]!.unpaidExact < 10n ** 24n);
  });

  it("ends a stream whose receipts are late while its reserve still covers all that is under way", async function () {
    this.timeout(60_000);
    await open(6);
    const { id } = await goLive();
    assert.equal(await run(id, 0, 2), undefined);
    const channel = hubChannel(buyer.address, clusterAccount, usdc);
    const [status] = await books.cluster.payee.status();
    const reserve = toBaseUnits(status!.creditLimitExact, 6);
    books.channels.set(channel, { reserve });
    const jobs = jobsOf(id);
    const codes: string[] = [];
    let seq = 2;
    for (; codes.length === 0; seq += 1) {
      assert.ok(seq < 60, "it is still live after two minutes without a receipt");
      await clock.advance(2_000);
      await renew(id, seq).catch((error: { code: string }) => codes.push(error.code));
    }
    assert.deepEqual(codes, ["STREAM_RESERVE_SPENT"]);
    const late: Work[] = [];
    for (const { node, terms } of jobs) {
      for (let segment = 2; segment < seq; segment += 1) late.push(await work(node, terms, segment));
    }
    const wanted = toBaseUnits(
      late.reduce((sum, { exact }) => sum + (exact * 11n) / 10n, 0n),
      6,
    );
    assert.ok(wanted > reserve / 4n, `${wanted} of ${reserve}`);
    await until(async () => {
      await clock.advance(1_000);
      return (await books.vouchered(books.cluster.payee, buyer.address)) >= wanted;
    });
    assert.ok((await books.vouchered(books.cluster.payee, buyer.address)) <= reserve);
  });

  it("keeps the credit of a stream over a restart of the balancer", async function () {
    this.timeout(60_000);
    await open(6);
    const { id } = await goLive();
    assert.equal(await run(id, 0, 3), undefined);
    await market.balancer.stop();
    // The books forget who is open, as a new process does.
    for (const { terms } of jobsOf(id)) {
      const { job, attempt } = terms.assignment.value;
      await books.cluster.payee.closeJob(job, attempt, { forfeit: false });
    }
    await clock.advance(61_000);
    await startAgain();
    assert.equal(await run(id, 3, 5), undefined);
  });

  /** Ends the stream and waits until both sides of it are paid to the last base unit. */
  async function settleAll(stream: Hex, worked: readonly Work[]) {
    const last = Math.max(...worked.map(({ seq }) => Number(seq)));
    const end = { stream, clean: true, lastSequence: last, frames: (last + 1) * 60 };
    await market.hub.ask(nodes[0]!, "publish.end", end);
    const wanted = toBaseUnits(
      worked.reduce((sum, { exact }) => sum + (exact * 11n) / 10n, 0n),
      6,
    );
    // A prepayment may be more than so little work. What is never vouchered ends this by the test's time.
    await until(async () => {
      await clock.advance(1_000);
      return (await books.vouchered(books.cluster.payee, buyer.address)) >= wanted;
    });
    assert.deepEqual([await books.cluster.payer.waiting(), await books.cluster.payee.waiting()], [[], []]);
  }

  it("pays what was booked and not released when the balancer was killed", async function () {
    this.timeout(60_000);
    await open(6);
    const { payer, payee } = books;
    const { id } = await goLive();
    const worked: Work[] = [];
    for (const { node, terms } of jobsOf(id)) worked.push(await work(node, terms, 0));
    const store = new JobStore(database);
    await until(async () => (await store.unreportedOf([buyer.address], 1)).length === 0);
    await market.balancer.stop();
    // From here on the books hear of work and not of its release: the kill comes in between.
    const cutOff = <B extends object>(book: B): B =>
      new Proxy(book, {
        get: (of, name) => {
          const found = name === "passed" ? async () => {} : Reflect.get(of, name);
          return typeof found === "function" ? found.bind(of) : found;
        },
      });
    books.payer = cutOff(payer);
    books.payee = cutOff(payee);
    await startAgain();
    for (const { node, terms } of jobsOf(id)) worked.push(await work(node, terms, 1));
    await until(async () => (await store.unreportedOf([buyer.address], 1)).length === 0);
    await market.balancer.stop();
    assert.equal((await books.cluster.payee.waiting()).length, 3);
    books.payer = payer;
    books.payee = payee;
    await startAgain();
    await settleAll(id, worked);
  });

  it("releases a segment whose check and receipt come at one moment", async function () {
    this.timeout(60_000);
    await open(6);
    let reached = Promise.withResolvers<void>();
    let booked = Promise.withResolvers<void>();
    /** A check is written only when the receipt that it did not find is booked, reported and has found no check. */
    class SlowChecks extends JobStore {
      override async addCheck(row: Parameters<JobStore["addCheck"]>[0]) {
        reached.resolve();
        await booked.promise;
        return super.addCheck(row);
      }
    }
    await market.balancer.stop();
    await startAgain(new SlowChecks(database));
    const { id } = await goLive();
    const store = new JobStore(database);
    const worked: Work[] = [];
    for (const seq of [0, 1, 2]) {
      for (const { node, terms } of jobsOf(id)) {
        if (terms.spec.primitive !== "transcode") {
          worked.push(await work(node, terms, seq));
          continue;
        }
        reached = Promise.withResolvers();
        booked = Promise.withResolvers();
        const submit = await node.receipt(terms, seq);
        const worth = workOf(node, terms, submit);
        await node.payee.earned(worth);
        const check = market.hub.ask(nodes[0]!, "check.submit", await nodes[0]!.check(submit.receipt.value, 1));
        await reached.promise;
        await market.hub.ask(node, "receipt.submit", submit);
        await until(async () => (await store.unreportedOf([buyer.address], 1)).length === 0);
        booked.resolve();
        await check;
        worked.push(worth);
      }
    }
    await settleAll(id, worked);
  });

  for (const [token, decimals] of [
    ["USDC", 6],
    ["LPT", 18],
  ] as const) {
    it(`vouchers all that was earned in ${token} on every channel, with late receipts and replaced attempts`, async function () {
      this.timeout(60_000);
      await open(decimals);
      const { id, slug } = await goLive();
      await market.balancer.play(slug);
      const all: (Work & { node: PaidNode })[] = [];
      const segment = async (seq: number, of = jobsOf(id)) => {
        for (const { node, terms } of of)
          if (terms.spec.primitive !== "delivery") all.push(await work(node, terms, seq));
        await clock.advance(2_000);
        await renew(id, seq);
      };
      for (let seq = 0; seq < 6; seq += 1) await segment(seq);
      // One transcoder goes away in mid-stream; what it did before is paid, also where its receipt comes late.
      const transcodes = () => jobsOf(id).filter(({ terms }) => terms.spec.primitive === "transcode");
      const [lost, liar] = transcodes();
      const replaced = (old: typeof lost) =>
        transcodes().some(({ terms }) => {
          const { job, attempt } = terms.assignment.value;
          return job === old!.terms.assignment.value.job && attempt > old!.terms.assignment.value.attempt;
        });
      const failed = { ...lost!.terms.assignment.value, code: "TRANSCODE_FAILED", sequence: 6 };
      const { job, attempt } = failed;
      await market.hub.ask(lost!.node, "job.failed", { job, attempt, code: failed.code, sequence: 6 });
      await until(() => replaced(lost));
      for (let seq = 6; seq < 9; seq += 1) await segment(seq);
      // The other one lies: its newest segment is never paid, what was checked before is.
      await work(liar!.node, liar!.terms, 9, 2);
      await until(() => replaced(liar));
      for (let seq = 10; seq < 14; seq += 1) await segment(seq);
      const edges = jobsOf(id).filter(({ terms }) => terms.spec.primitive === "delivery");
      assert.equal(edges.length, 2);
      const end = { stream: id, clean: true, lastSequence: 13, frames: 840 };
      await market.hub.ask(nodes[0]!, "publish.end", end);
      await clock.advance(2_000);
      for (const { node, terms } of edges) {
        for (let seq = 10; seq < 14; seq += 1) {
          all.push(await work(node, terms, seq));
          await clock.advance(500);
        }
      }
      const retailExact = all.reduce((sum, { exact }) => sum + (exact * 11n) / 10n, 0n);
      const settled = async () => {
        await clock.advance(1_000);
        const found = await Promise.all(nodes.map((node) => books.vouchered(node.payee, clusterAccount)));
        return [...found, await books.vouchered(books.cluster.payee, buyer.address)];
      };
      const wanted = [
        ...nodes.map((node) => all.filter((one) => one.node === node).reduce((sum, { exact }) => sum + exact, 0n)),
        retailExact,
      ].map((exact) => toBaseUnits(exact, decimals));
      let looks = 0;
      let found: bigint[] = [];
      await until(async () => {
        found = await settled();
        looks += 1;
        return looks > 100 || found.every((value, at) => value === wanted[at]);
      });
      assert.deepEqual(found, wanted);
      assert.ok(wanted.every((value) => value > 0n));
    });
  }
});
