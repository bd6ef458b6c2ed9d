import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { JobTerms } from "@leat/sdk/protocol/job.ts";
import { checkVerdicts, type Receipt } from "@leat/sdk/protocol/signed.ts";
import { toExact } from "@leat/sdk/protocol/units.ts";
import { WorkReview } from "../../../../node/services/jobs/work-review.ts";
import type { ChannelStatus, Work } from "../../../../node/services/payment/index.ts";
import { JobStore } from "../../../../node/store/sql/job-store.ts";
import { codeOf } from "../../../support/fake-market.ts";
import { clusterAccount } from "../../../support/fake-node.ts";
import { type PaidNode, workOf } from "../../../support/paying-market.ts";
import { source, usePayingMarket } from "../../../support/paying-scene.ts";

const hourMs = 3_600_000;
type Check = Awaited<ReturnType<PaidNode["check"]>>;

describe("work whose origin is gone", function () {
  this.timeout(60_000);
  const scene = usePayingMarket();
  const { open, startAgain, until, publish, jobsOf, goLive, begin, work, renew } = scene;
  const reviews = new Map<PaidNode, WorkReview>();
  afterEach(async () => {
    for (const node of reviews.keys()) await away(node);
  });

  /** The part of a node that asks what became of its work. */
  async function present(node: PaidNode) {
    const review = new WorkReview(
      {
        session: {
          get welcome() {
            return { clusterAccount } as never;
          },
          call: (method, body) => scene.market.hub.ask(node, method, body),
        },
        payee: node.payee,
        outbox: { isWaiting: () => false },
        desk: { runningJobs: () => node.running() },
        clock: scene.clock,
        logger: silentLogger,
        metrics: silentMetrics,
      },
      { everyMs: 10_000 },
    );
    reviews.set(node, review);
    await review.start();
  }
  async function away(node: PaidNode) {
    await reviews.get(node)?.stop();
    reviews.delete(node);
  }

  const origin = () => scene.nodes[0]!;
  const isTranscode = ({ terms }: { terms: JobTerms }) => terms.spec.primitive === "transcode";
  const transcodes = (stream: Hex) => jobsOf(stream).filter(isTranscode);

  /** Both families' work on a segment, of which the origin says nothing. */
  async function unjudged(stream: Hex, seq: number) {
    const done: { node: PaidNode; worth: Work; receipt: Receipt; check: Check }[] = [];
    for (const { node, terms } of transcodes(stream)) {
      const submit = await node.receipt(terms, seq);
      const worth = workOf(node, terms, submit);
      await node.payee.earned(worth);
      await begin(stream, seq);
      await scene.market.hub.ask(node, "receipt.submit", submit);
      const receipt = submit.receipt.value;
      done.push({ node, worth, receipt, check: await origin().check(receipt, checkVerdicts.passed) });
    }
    return done;
  }

  /** A stream of which segment 0 is judged and 1 is not when its origin dies; another node takes it over. */
  async function lose() {
    await open(6);
    for (const node of scene.nodes) await present(node);
    const live = await goLive();
    for (const { node, terms } of transcodes(live.id)) await work(node, terms, 0);
    const lost = await unjudged(live.id, 1);
    await renew(live.id, 1);
    scene.market.hub.leave(origin());
    await away(origin());
    for (const [job, { spec }] of origin().jobs) if (spec.stream === live.id) origin().jobs.delete(job);
    return { ...live, lost };
  }

  async function moveOn(live: { id: Hex; streamKey: string }) {
    const next = scene.nodes[1]!;
    const granted = publish(live.streamKey, next);
    let isGranted = false;
    granted.then(() => {
      isGranted = true;
    });
    await until(async () => {
      await scene.clock.advance(500);
      return isGranted;
    });
    const before = transcodes(live.id).map(({ terms }) => terms.assignment.value.attempt);
    await scene.market.hub.ask(next, "source.ready", { stream: live.id, source, partTargetMs: 250 });
    await until(
      () => transcodes(live.id).filter(({ terms }) => terms.assignment.value.attempt > before[0]!).length > 0,
    );
    return (await granted).startSequence;
  }

  const bookedOf = ({ collected, reserve, decimals, freeExact }: ChannelStatus) =>
    toExact(collected + reserve, decimals) - freeExact;
  async function bookOf(book: { status(): Promise<ChannelStatus[]> }, payer: Address, payee: Address) {
    const found = (await book.status()).find(({ channel }) => channel.payer === payer && channel.payee === payee);
    return found && bookedOf(found);
  }
  /** How many segments wait: at the nodes, in the cluster's book of what it owes, and of what it is owed. */
  async function waiting() {
    const { payer, payee } = scene.books.cluster;
    const held = await Promise.all(
      scene.nodes.map(async (node) => (await node.payee.waitingFor(clusterAccount)).flatMap(({ work: of }) => of)),
    );
    return [held.flat().length, (await payer.waiting()).length, (await payee.waiting()).length];
  }
  /** Every channel, as its payer has it and as its payee has it. */
  async function bothSides() {
    const { payer, payee } = scene.books.cluster;
    const buyer = scene.buyer.address;
    const of = scene.nodes.map(({ address, payee: own }) => [payer, own, clusterAccount, address] as const);
    const all = [...of, [scene.buyer.payer, payee, buyer, clusterAccount] as const];
    const read = (side: 0 | 1) => Promise.all(all.map((each) => bookOf(each[side], each[2], each[3])));
    return [await read(0), await read(1)] as const;
  }
  /** Until nothing waits anywhere, and what each payer booked is what its payee booked. */
  async function closed() {
    await until(async () => {
      await scene.clock.advance(2_000);
      const [paying, paid] = await bothSides();
      return (await waiting()).every((count) => count === 0) && isDeepStrictEqual(paying, paid);
    });
  }
  /** What the cluster is to pay all nodes in the end. */
  async function owed() {
    const { payer } = scene.books.cluster;
    const all = (await payer.status()).filter(({ channel }) => channel.payer === clusterAccount);
    return all.reduce((sum, status) => sum + bookedOf(status), 0n);
  }
  const sumOf = (lost: readonly { worth: Work }[]) => lost.reduce((sum, { worth }) => sum + worth.exact, 0n);

  it("is written off on all sides when the origin is back and has nothing more to say", async () => {
    const live = await lose();
    const before = await owed();
    assert.equal(await moveOn(live), 2);
    // It may have found it good, and tell when it returns.
    await scene.clock.advance(60_000);
    assert.deepEqual((await waiting()).slice(1), [2, 2]);
    scene.market.hub.join(origin());
    await closed();
    assert.equal(await owed(), before - sumOf(live.lost));
    assert.equal(origin().told("check.close").length > 0, true);
    for (const { check } of live.lost) {
      await assert.rejects(scene.market.hub.ask(origin(), "check.submit", check), codeOf("CHECK_TOO_LATE"));
    }
    await closed();
    assert.equal(await owed(), before - sumOf(live.lost));
  });

  it("is paid when its dead origin had found it good, and tells so after it lost the stream", async () => {
    const live = await lose();
    const before = await owed();
    await moveOn(live);
    origin().checksWaiting = 1;
    scene.market.hub.join(origin());
    await until(async () => {
      await scene.clock.advance(1_000);
      return origin().told("check.close").length >= 4;
    });
    assert.deepEqual((await waiting()).slice(1), [2, 2]);
    const [good, other] = live.lost;
    await scene.market.hub.ask(origin(), "check.submit", good!.check);
    origin().checksWaiting = 0;
    await closed();
    assert.equal(await owed(), before - other!.worth.exact);
  });

  it("is for nobody but the origin of its own segment to judge", async () => {
    const live = await lose();
    const start = await moveOn(live);
    const next = scene.nodes[1]!;
    const own = await next.check(live.lost[0]!.receipt, checkVerdicts.passed);
    await assert.rejects(scene.market.hub.ask(next, "check.submit", own), codeOf("CHECK_NOT_YOURS"));
    const { node, terms } = transcodes(live.id).at(-1)!;
    const { receipt } = await node.receipt(terms, start);
    const old = await origin().check(receipt.value, checkVerdicts.passed);
    await assert.rejects(scene.market.hub.ask(origin(), "check.submit", old), codeOf("CHECK_NOT_YOURS"));
  });

  it("is written off when the origin never comes back, also over a restart of the balancer", async () => {
    const live = await lose();
    await moveOn(live);
    await scene.clock.advance(hourMs / 2);
    await scene.market.balancer.stop();
    await scene.books.openCluster();
    await startAgain();
    scene.market.hub.leave(origin());
    await scene.clock.advance(hourMs / 4);
    assert.deepEqual((await waiting()).slice(1), [2, 2]);
    await scene.clock.advance(hourMs / 4);
    await closed();
    await assert.rejects(scene.market.hub.ask(origin(), "check.submit", live.lost[0]!.check), codeOf("CHECK_TOO_LATE"));
  });

  it("is written off when the stream ends instead", async () => {
    const live = await lose();
    const before = await owed();
    await until(async () => {
      await scene.clock.advance(5_000);
      return (await scene.market.balancer.views.stream(scene.buyer.address, live.id)).state === "ended";
    });
    scene.market.hub.join(origin());
    await closed();
    assert.equal(await owed(), before - sumOf(live.lost));
  });

  /** A book of which one method is lost from here on: the process is killed before it is called. */
  const without = <B extends object>(book: B, method: string): B =>
    new Proxy(book, {
      get: (of, name) => {
        if (name === method) return async () => 0n;
        const found = Reflect.get(of, name);
        return typeof found === "function" ? found.bind(of) : found;
      },
    });

  for (const [what, lose1, lose2] of [
    ["both books", "refuse", "writeOff"],
    ["the book of what it is owed", "none", "writeOff"],
  ] as const) {
    it(`is written off when the balancer is killed before ${what} heard of it`, async () => {
      const live = await lose();
      await moveOn(live);
      await scene.market.balancer.stop();
      scene.books.payer = without(scene.books.payer, lose1);
      scene.books.payee = without(scene.books.payee, lose2);
      await startAgain();
      const store = new JobStore(scene.database);
      const { job, attempt } = live.lost[0]!.worth;
      await until(async () => {
        await scene.clock.advance(1_000);
        return (await store.receiptAt(job, attempt, 1))?.writtenOff === true;
      });
      await scene.market.balancer.stop();
      await scene.books.openCluster();
      assert.notEqual((await waiting())[2], 0);
      await startAgain();
      // It was decided: nobody is asked again.
      assert.deepEqual((await waiting()).slice(1), [0, 0]);
      await closed();
    });
  }

  it("is written off by a node that was killed before it wrote what it was told", async () => {
    const live = await lose();
    const nodes = new Set(live.lost.map(({ node }) => node));
    for (const node of nodes) {
      await away(node);
      node.payee = without(node.payee, "writeOff");
      await present(node);
    }
    await moveOn(live);
    scene.market.hub.join(origin());
    const told = async () => (await waiting()).slice(1).every((count) => count === 0);
    for (let rounds = 0; rounds < 5; ) {
      await scene.clock.advance(10_000);
      if (await told()) rounds += 1;
    }
    assert.equal((await waiting())[0], 2);
    for (const node of nodes) {
      await away(node);
      await scene.books.openNode(node);
      await present(node);
    }
    await closed();
  });

  it("is written off by a node that was away while all others closed their books", async () => {
    const live = await lose();
    const nodes = new Set(live.lost.map(({ node }) => node));
    for (const node of nodes) await away(node);
    await moveOn(live);
    scene.market.hub.join(origin());
    await until(async () => {
      await scene.clock.advance(1_000);
      const [held, ...books] = await waiting();
      // What was judged waits at the nodes as well, until its voucher is there.
      return held! <= live.lost.length && books.every((count) => count === 0);
    });
    assert.equal((await waiting())[0], 2);
    await scene.market.balancer.stop();
    await scene.books.openCluster();
    for (const node of nodes) await scene.books.openNode(node);
    await startAgain();
    for (const node of nodes) await present(node);
    await closed();
  });

  it("is written off where its receipt comes after that of all others, or is refused", async () => {
    const live = await lose();
    const [{ node, terms }] = transcodes(live.id) as [{ node: PaidNode; terms: JobTerms }];
    const [late, beyond] = [await node.receipt(terms, 1), await node.receipt(terms, 7)];
    await moveOn(live);
    scene.market.hub.join(origin());
    await closed();
    // The very receipt again changes nothing; one of a segment that is another attempt's is refused.
    await scene.market.hub.ask(node, "receipt.submit", late);
    await node.payee.earned(workOf(node, terms, beyond));
    await assert.rejects(scene.market.hub.ask(node, "receipt.submit", beyond), codeOf("RECEIPT_RANGE_WRONG"));
    assert.equal((await waiting())[0], 1);
    await closed();
  });

  it("is written off where a check that failed came after the attempt's end", async () => {
    const live = await lose();
    const before = await owed();
    await moveOn(live);
    const failed = await origin().check(live.lost[0]!.receipt, checkVerdicts.failed);
    await scene.market.hub.ask(origin(), "check.submit", { ...failed, code: "CHECK_SIZE" });
    scene.market.hub.join(origin());
    await closed();
    assert.equal(await owed(), before - sumOf(live.lost));
  });

  it("stays while its attempt runs, and is asked for by nobody", async () => {
    await open(6);
    for (const node of scene.nodes) await present(node);
    const live = await goLive();
    await unjudged(live.id, 0);
    // Its publisher stays: whose publisher is gone for so long, that stream ends.
    for (let rounds = 0; rounds < 12; rounds += 1) {
      await scene.clock.advance(10_000);
      await renew(live.id, 1);
    }
    assert.deepEqual(await waiting(), [2, 2, 2]);
    assert.equal(jobsOf(live.id).length, 3);
    assert.equal(origin().told("check.close").length, 0);
  });
});
