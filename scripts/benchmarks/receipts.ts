import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { hashKey } from "@leat/node/services/balancer/ingest-ways.ts";
import { JobStore } from "@leat/node/store/sql/job-store.ts";
import { SqlVoucherStore } from "@leat/node/store/sql/voucher-store.ts";
import type { JobTerms } from "@leat/sdk/protocol/job.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import { SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import { usdc } from "../../test/support/candidates.ts";
import { openEmptyDatabase } from "../../test/support/empty-database.ts";
import { type FakeMarket, randomHash, startMarket } from "../../test/support/fake-market.ts";
import type { FakeNode } from "../../test/support/fake-node.ts";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { PaidNode, PayingBooks, PayingBuyer, workOf } from "../../test/support/paying-market.ts";
import { ladder, source } from "../../test/support/paying-scene.ts";
import type { BenchCase } from "./case.ts";

const STREAMS = 10;
const WARM_UP_SEGMENTS = 10;
const SEGMENTS = 40;
/** Receipts and checks of one node that are on their way at one time, as its outbox has it. */
const SENT_AT_ONCE = 32;
/** An ingest, two transcodes and an edge. */
const JOBS_OF_STREAM = 4;
const TICK_MS = 20;
const MICROS_PER_MS = 1_000;

interface Post {
  readonly node: FakeNode;
  readonly send: () => Promise<unknown>;
}

/**
 * A balancer with its books in its database, and nodes, a buyer's agent and a chain in memory beside it. Streams are
 * taken in, transcoded to two rungs, checked and delivered; the receipts of all that come as fast as they are taken.
 * `perSecond`: receipts accepted, booked, reported to the buyer's agent, passed and payable in both books. `cpuMs`: what one
 * costs of a core, with all threads, its check, its part of the vouchers, and what the buyer's agent writes. Not in it:
 * making and signing them, and the peer-to-peer transport.
 */
export const run: BenchCase = async ({ log, signal }) => {
  const folder = await mkdtemp(join(tmpdir(), "leat-bench-"));
  const database = await openEmptyDatabase(join(folder, "database"));
  const clock = new ManualClock();
  const nodes = [new PaidNode(1, ["ingest"]), new PaidNode(2, ["transcode"]), new PaidNode(3, ["delivery"])];
  const buyer = new PayingBuyer(4, ["buyer"]);
  const books = await PayingBooks.open(clock, 6, { nodes, buyer }, { vouchers: new SqlVoucherStore(database) });
  const market = await startMarket(database, { clock, books, nodes: [...nodes, buyer] });
  books.hub = market.hub;
  const time = setInterval(() => void clock.advance(TICK_MS), TICK_MS);
  try {
    for (const node of [...nodes, buyer]) market.hub.join(node);
    log(`${STREAMS} streams`);
    const jobs = await begin(market, nodes, buyer, signal);
    const store = new JobStore(database);
    const { payer, payee } = books.cluster;
    const isBehind = async () => {
      const left = [await store.unreportedOf([buyer.address], 1), await payer.waiting(), await payee.waiting()];
      return left.some(({ length }) => length > 0);
    };
    const take = async (from: number, to: number) => {
      const receipts = await prepare(market, jobs, from, to, signal);
      const [beganMs, before] = [performance.now(), process.cpuUsage()];
      await deliver(receipts.posts, signal);
      while (await isBehind()) await sleep(TICK_MS, undefined, { signal });
      const { user, system } = process.cpuUsage(before);
      return { receipts: receipts.count, tookMs: performance.now() - beganMs, cpuMicros: user + system };
    };
    await take(0, WARM_UP_SEGMENTS);
    log(`${SEGMENTS} segments of each`);
    const { receipts, tookMs, cpuMicros } = await take(WARM_UP_SEGMENTS, WARM_UP_SEGMENTS + SEGMENTS);
    const json = {
      perSecond: Math.round((receipts * 1_000) / tookMs),
      cpuMs: Math.round(cpuMicros / receipts / (MICROS_PER_MS / 100)) / 100,
    };
    return { rows: [{ receipts, ...json }], json };
  } finally {
    clearInterval(time);
    await market.balancer.stop();
    await books.close();
    await database.close();
    await rm(folder, { recursive: true, force: true });
  }
};

interface BenchJob {
  readonly node: PaidNode;
  readonly terms: JobTerms;
}

async function begin(
  market: FakeMarket,
  nodes: readonly PaidNode[],
  buyer: PayingBuyer,
  signal: AbortSignal,
): Promise<BenchJob[]> {
  const origin = nodes[0]!;
  for (let index = 0; index < STREAMS; index += 1) {
    const created = await market.balancer.createStream(buyer.address, {
      ladder,
      token: usdc,
      nonce: randomHash(index),
      unsignedBudgetBytes: 10n ** 12n,
    });
    const { terms } = await market.hub.ask(origin, "publish.request", {
      keyHash: hashKey(created.streamKey),
      protocol: "rtmp",
    });
    await origin.admit(terms);
    origin.jobs.set(terms.assignment.value.job, terms);
    await market.hub.ask(origin, "source.ready", { stream: created.id, source, partTargetMs: 250 });
    await market.balancer.play(created.slug);
  }
  const jobs = () => nodes.flatMap((node) => [...node.jobs.values()].map((terms) => ({ node, terms })));
  while (jobs().length < STREAMS * JOBS_OF_STREAM) await sleep(TICK_MS, undefined, { signal });
  return jobs();
}

/** All that nodes will send of these segments, signed, in the order in which they are made. */
async function prepare(market: FakeMarket, jobs: readonly BenchJob[], from: number, to: number, signal: AbortSignal) {
  const posts: Post[] = [];
  const origins = jobs.filter(({ terms }) => terms.spec.primitive === "ingest");
  const prepareOne = async ({ node, terms }: BenchJob, sequence: number): Promise<Post[]> => {
    const submit = await node.receipt(terms, sequence);
    await node.payee.earned(workOf(node, terms, submit));
    const receipt = { node, send: () => market.hub.ask(node, "receipt.submit", submit) };
    if (submit.kind !== "transcode") return [receipt];
    const checker = origins.find(({ terms: { spec } }) => spec.stream === terms.spec.stream)!.node;
    const check = await checker.check(submit.receipt.value, checkVerdicts.passed);
    return [receipt, { node: checker, send: () => market.hub.ask(checker, "check.submit", check) }];
  };
  for (let sequence = from; sequence < to; sequence += 1) {
    signal.throwIfAborted();
    for (const { node, terms } of origins) {
      const told = { stream: terms.spec.stream, rungs: [SOURCE_RUNG], sequence };
      await market.hub.ask(node, "segment.published", told);
    }
    posts.push(...(await Promise.all(jobs.map((job) => prepareOne(job, sequence)))).flat());
  }
  return { posts, count: jobs.length * (to - from) };
}

/** As many of each node at one time as its outbox sends. */
async function deliver(posts: readonly Post[], signal: AbortSignal): Promise<void> {
  const queues = Map.groupBy(posts, ({ node }) => node);
  const sendAll = async (queue: Iterator<Post>) => {
    for (let next = queue.next(); !next.done; next = queue.next()) {
      signal.throwIfAborted();
      await next.value.send();
    }
  };
  const senders = [...queues.values()].flatMap((queue) => {
    const shared = queue.values();
    return Array.from({ length: SENT_AT_ONCE }, () => sendAll(shared));
  });
  await Promise.all(senders);
}
