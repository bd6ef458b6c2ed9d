import assert from "node:assert/strict";
import { hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec, JobTerms, PriceUnit } from "@leat/sdk/protocol/job.ts";
import { toBaseUnits, toExact } from "@leat/sdk/protocol/units.ts";
import type { ChannelStatus, Payee, Work } from "../../../../node/services/payment/index.ts";
import { JobStore } from "../../../../node/store/sql/job-store.ts";
import type { UsageReport } from "../../../../node/wire/session/messages.ts";
import { usdc } from "../../../support/candidates.ts";
import { codeOf } from "../../../support/fake-market.ts";
import { clusterAccount } from "../../../support/fake-node.ts";
import { type PaidNode, workOf } from "../../../support/paying-market.ts";
import { usePayingMarket } from "../../../support/paying-scene.ts";

describe("a balancer that is paid", function () {
  this.timeout(240_000);
  const scene = usePayingMarket();
  const { open, startAgain, until, create, publish, jobsOf, goLive, work, renew } = scene;

  /** Live for so many segments; answers the code that ended it, if one did. */
  async function run(stream: Hex, from: number, segments: number): Promise<string | undefined> {
    for (let seq = from; seq < from + segments; seq += 1) {
      for (const { node, terms } of jobsOf(stream)) await work(node, terms, seq);
      await scene.clock.advance(2_000);
      try {
        await renew(stream, seq);
      } catch (error) {
        return (error as { code: string }).code;
      }
    }
    return undefined;
  }

  async function comeBackAndPay() {
    scene.market.hub.join(scene.buyer);
    const store = new JobStore(scene.database);
    await until(async () => (await store.unreportedOf([scene.buyer.address], 1)).length === 0);
    await scene.clock.advance(10_000);
    await until(async () => (await scene.books.cluster.payee.status())[0]!.unpaidExact < 10n ** 24n);
  }

  it("goes on while the buyer is away for less than the credit, and ends the stream after", async () => {
    await open(6);
    const { id, streamKey } = await goLive();
    assert.equal(await run(id, 0, 5), undefined);
    scene.market.hub.leave(scene.buyer);
    assert.equal(await run(id, 5, 25), undefined);
    await comeBackAndPay();
    scene.market.hub.leave(scene.buyer);
    assert.equal(await run(id, 30, 25), undefined);
    assert.equal(await run(id, 55, 25), "STREAM_CREDIT_EXHAUSTED");
    const stream = await scene.market.balancer.views.stream(scene.buyer.address, id);
    assert.deepEqual([stream.state, stream.endCode], ["ended", "STREAM_CREDIT_EXHAUSTED"]);
    const told = scene.nodes.flatMap((node) => node.told("job.end") as { code: string }[]);
    assert.deepEqual([...new Set(told.map(({ code }) => code))], ["STREAM_CREDIT_EXHAUSTED"]);
    await assert.rejects(renew(id, 99), codeOf("PUBLISH_LEASE_LOST"));
    await assert.rejects(publish(streamKey), codeOf("STREAM_ENDED"));
    // Nor another stream, until what is owed was paid.
    await scene.clock.advance(60_000);
    const next = await create();
    await assert.rejects(publish(next.streamKey), codeOf("STREAM_CREDIT_EXHAUSTED"));
    const refusals = () => scene.market.balancer.views.refusals(next.id).map(({ part, code }) => `${part} ${code}`);
    assert.deepEqual(refusals(), ["ingest STREAM_CREDIT_EXHAUSTED"]);
    await comeBackAndPay();
    await publish(next.streamKey);
  });

  it("ends the stream of a buyer whose reserve starts to thaw, before its work is unpaid", async () => {
    await open(6);
    const { id } = await goLive();
    assert.equal(await run(id, 0, 5), undefined);
    const channel = hubChannel(scene.buyer.address, clusterAccount, usdc);
    const { reserve } = await scene.books.channels.channelState(channel);
    scene.books.channels.set(channel, { reserve: 0n, thawing: reserve });
    assert.equal(await run(id, 5, 5), "STREAM_RESERVE_SPENT");
    const stream = await scene.market.balancer.views.stream(scene.buyer.address, id);
    assert.deepEqual([stream.state, stream.endCode], ["ended", "STREAM_RESERVE_SPENT"]);
    // What was done until then is vouchered out of what thaws.
    await scene.clock.advance(10_000);
    await until(async () => (await scene.books.cluster.payee.status())[0]!.unpaidExact < 10n ** 24n);
  });

  it("ends a stream whose receipts are late while its reserve still covers all that is under way", async () => {
    await open(6);
    const { id } = await goLive();
    assert.equal(await run(id, 0, 2), undefined);
    const channel = hubChannel(scene.buyer.address, clusterAccount, usdc);
    const [status] = await scene.books.cluster.payee.status();
    const reserve = toBaseUnits(status!.creditLimitExact, 6);
    scene.books.channels.set(channel, { reserve });
    const jobs = jobsOf(id);
    const codes: string[] = [];
    let seq = 2;
    for (; codes.length === 0; seq += 1) {
      assert.ok(seq < 60, "it is still live after two minutes without a receipt");
      await scene.clock.advance(2_000);
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
      await scene.clock.advance(1_000);
      return (await scene.books.vouchered(scene.books.cluster.payee, scene.buyer.address)) >= wanted;
    });
    assert.ok((await scene.books.vouchered(scene.books.cluster.payee, scene.buyer.address)) <= reserve);
  });

  it("keeps the credit of a stream over a restart of the balancer", async () => {
    await open(6);
    const { id } = await goLive();
    assert.equal(await run(id, 0, 60), undefined);
    // A small reserve: what has receipts is not under way, however long the stream is.
    const [status] = await scene.books.cluster.payee.status();
    const reserve = status!.vouchered + 2n * toBaseUnits(status!.creditLimitExact, 6);
    scene.books.channels.set(hubChannel(scene.buyer.address, clusterAccount, usdc), { reserve });
    await scene.market.balancer.stop();
    // The books forget who is open, as a new process does.
    for (const { terms } of jobsOf(id)) {
      const { job, attempt } = terms.assignment.value;
      await scene.books.cluster.payee.closeJob(job, attempt, { forfeit: false });
    }
    await scene.clock.advance(61_000);
    await startAgain();
    await renew(id, 60);
    assert.equal(await run(id, 60, 5), undefined);
  });

  /** Ends the stream and waits until both sides of it are paid to the last base unit. */
  async function settleAll(stream: Hex, worked: readonly Work[]) {
    const last = Math.max(...worked.map(({ seq }) => Number(seq)));
    const end = { stream, clean: true, lastSequence: last, frames: (last + 1) * 60 };
    await scene.market.hub.ask(scene.nodes[0]!, "publish.end", end);
    const wanted = toBaseUnits(
      worked.reduce((sum, { exact }) => sum + (exact * 11n) / 10n, 0n),
      6,
    );
    // A prepayment may be more than so little work. What is never vouchered ends this by the test's time.
    await until(async () => {
      await scene.clock.advance(1_000);
      return (await scene.books.vouchered(scene.books.cluster.payee, scene.buyer.address)) >= wanted;
    });
    assert.deepEqual([await scene.books.cluster.payer.waiting(), await scene.books.cluster.payee.waiting()], [[], []]);
  }

  it("pays what was booked and not released when the balancer was killed", async () => {
    await open(6);
    const { payer, payee } = scene.books;
    const { id } = await goLive();
    const worked: Work[] = [];
    for (const { node, terms } of jobsOf(id)) worked.push(await work(node, terms, 0));
    const store = new JobStore(scene.database);
    await until(async () => (await store.unreportedOf([scene.buyer.address], 1)).length === 0);
    await scene.market.balancer.stop();
    // From here on the books hear of work and not of its release: the kill comes in between.
    const cutOff = <B extends object>(book: B): B =>
      new Proxy(book, {
        get: (of, name) => {
          const found = name === "passed" ? async () => {} : Reflect.get(of, name);
          return typeof found === "function" ? found.bind(of) : found;
        },
      });
    scene.books.payer = cutOff(payer);
    scene.books.payee = cutOff(payee);
    await startAgain();
    await renew(id, 1);
    for (const { node, terms } of jobsOf(id)) worked.push(await work(node, terms, 1));
    await until(async () => (await store.unreportedOf([scene.buyer.address], 1)).length === 0);
    await scene.market.balancer.stop();
    assert.equal((await scene.books.cluster.payee.waiting()).length, 3);
    scene.books.payer = payer;
    scene.books.payee = payee;
    await startAgain();
    await settleAll(id, worked);
  });

  it("books and reports a stream at the margin that it was made with, whatever the balancer's is now", async () => {
    await open(6);
    const { id } = await goLive();
    const worked: Work[] = [];
    const segment = async (seq: number) => {
      await renew(id, seq);
      for (const { node, terms } of jobsOf(id)) worked.push(await work(node, terms, seq));
    };
    for (let seq = 0; seq < 12; seq += 1) await segment(seq);
    scene.market.hub.leave(scene.buyer);
    await segment(12);
    for (const [at, marginBps] of [500, 2_000].entries()) {
      await scene.market.balancer.stop();
      await startAgain(undefined, { marginBps });
      await segment(13 + at);
    }
    await settleAll(id, worked);
    const booked = async (side: Pick<Payee, "status">) => {
      const [{ vouchered, unpaidExact }] = (await side.status()) as [ChannelStatus];
      return toExact(vouchered, 6) + unpaidExact;
    };
    assert.equal(await booked(scene.books.cluster.payee), await booked(scene.buyer.payer));
    for (const { prices, quoted } of scene.buyer.told("usage.report") as UsageReport[]) {
      for (const [unit, price] of Object.entries(prices)) assert.ok(price <= quoted[unit as PriceUnit]!, unit);
    }
  });

  it("pays two edges of one stream all that each of them booked, up to the budget", async () => {
    await open(6);
    const budget = 20_000_000n;
    const { id, slug } = await goLive(budget);
    await scene.market.balancer.play(slug);
    const edges = jobsOf(id).filter(({ terms }) => terms.spec.primitive === "delivery");
    assert.equal(edges.length, 2);
    const grantOf = ({ spec }: JobTerms) => (spec as DeliverySpec).unsignedBudgetBytes;
    assert.ok(edges.reduce((sum, { terms }) => sum + grantOf(terms), 0n) <= budget);
    // Each of them serves less than the budget, both together more.
    for (let seq = 0; seq < 15; seq += 1) {
      for (const { node, terms } of edges) await work(node, terms, seq, 1, 1_000_000n);
      await scene.clock.advance(2_000);
    }
    const unpaid = async () => Promise.all(edges.map(async ({ node }) => (await node.payee.status())[0]!.unpaidExact));
    let looks = 0;
    await until(async () => {
      await scene.clock.advance(1_000);
      looks += 1;
      return looks > 100 || (await unpaid()).every((exact) => exact < 10n ** 24n);
    });
    assert.deepEqual(
      (await unpaid()).map((exact) => toBaseUnits(exact, 6)),
      [0n, 0n],
    );
    const stream = await scene.market.balancer.views.stream(scene.buyer.address, id);
    assert.ok(stream.unsignedPaidBytes > (budget * 9n) / 10n && stream.unsignedPaidBytes <= budget);
  });

  it("releases a segment whose check and receipt come at one moment", async () => {
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
    await scene.market.balancer.stop();
    await startAgain(new SlowChecks(scene.database));
    const { id } = await goLive();
    const store = new JobStore(scene.database);
    const worked: Work[] = [];
    for (const seq of [0, 1, 2]) {
      await renew(id, seq);
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
        const check = scene.market.hub.ask(
          scene.nodes[0]!,
          "check.submit",
          await scene.nodes[0]!.check(submit.receipt.value, 1),
        );
        await reached.promise;
        await scene.market.hub.ask(node, "receipt.submit", submit);
        await until(async () => (await store.unreportedOf([scene.buyer.address], 1)).length === 0);
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
    it(`vouchers all that was earned in ${token} on every channel, with late receipts and replaced attempts`, async () => {
      await open(decimals);
      const { id, slug } = await goLive();
      await scene.market.balancer.play(slug);
      const all: (Work & { node: PaidNode })[] = [];
      const segment = async (seq: number, of = jobsOf(id)) => {
        for (const { node, terms } of of)
          if (terms.spec.primitive !== "delivery") all.push(await work(node, terms, seq));
        await scene.clock.advance(2_000);
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
      await scene.market.hub.ask(lost!.node, "job.failed", { job, attempt, code: failed.code, sequence: 6 });
      await until(() => replaced(lost));
      for (let seq = 6; seq < 9; seq += 1) await segment(seq);
      // The other one lies: its newest segment is never paid, what was checked before is.
      await work(liar!.node, liar!.terms, 9, 2);
      await until(() => replaced(liar));
      await renew(id, 9);
      for (let seq = 10; seq < 14; seq += 1) await segment(seq);
      const edges = jobsOf(id).filter(({ terms }) => terms.spec.primitive === "delivery");
      assert.equal(edges.length, 2);
      const end = { stream: id, clean: true, lastSequence: 13, frames: 840 };
      await scene.market.hub.ask(scene.nodes[0]!, "publish.end", end);
      await scene.clock.advance(2_000);
      for (const { node, terms } of edges) {
        for (let seq = 10; seq < 14; seq += 1) {
          all.push(await work(node, terms, seq));
          await scene.clock.advance(500);
        }
      }
      const retailExact = all.reduce((sum, { exact }) => sum + (exact * 11n) / 10n, 0n);
      const settled = async () => {
        await scene.clock.advance(1_000);
        const found = await Promise.all(scene.nodes.map((node) => scene.books.vouchered(node.payee, clusterAccount)));
        return [...found, await scene.books.vouchered(scene.books.cluster.payee, scene.buyer.address)];
      };
      const wanted = [
        ...scene.nodes.map((node) =>
          all.filter((one) => one.node === node).reduce((sum, { exact }) => sum + exact, 0n),
        ),
        retailExact,
      ].map((exact) => toBaseUnits(exact, decimals));
      let looks = 0;
      let found: bigint[] = [];
      await until(async () => {
        found = await settled();
        looks += 1;
        // A look takes milliseconds, and what is under way to the database may take a second on a busy machine.
        return looks > 5_000 || found.every((value, at) => value === wanted[at]);
      });
      assert.deepEqual(found, wanted);
      assert.ok(wanted.every((value) => value > 0n));
    });
  }
});
