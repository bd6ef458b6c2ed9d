import assert from "node:assert/strict";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { toBaseUnits } from "@leat/sdk/protocol/units.ts";
import { JobStore } from "../../../../node/store/sql/job-store.ts";
import { RemoteError } from "../../../../node/wire/errors.ts";
import type { BalancerMethod } from "../../../../node/wire/session/messages.ts";
import { workOf } from "../../../support/paying-market.ts";
import { usePayingMarket } from "../../../support/paying-scene.ts";

/** More viewers than the quote of an edge counted with use up the buyer's credit before its next voucher is due. */
describe("a balancer whose buyer's stream draws a crowd", () => {
  const scene = usePayingMarket();
  const { open, until, goLive, jobsOf, renew } = scene;

  async function statusOf() {
    return (await scene.books.cluster.payee.status())[0]!;
  }

  async function unreported() {
    return (await new JobStore(scene.database).unreportedOf([scene.buyer.address], 1)).length;
  }

  async function isPaid() {
    const { unpaidExact, creditLimitExact } = await statusOf();
    return unpaidExact * 2n < creditLimitExact;
  }

  async function playAtEdge() {
    await open(6);
    const created = await goLive(10n ** 12n);
    await scene.market.balancer.play(created.slug);
    const edgeOf = () => jobsOf(created.id).find(({ terms }) => terms.spec.primitive === "delivery");
    await until(() => edgeOf() !== undefined);
    return { ...created, edge: edgeOf()! };
  }

  /** A segment that was watched by as many as cost so much of the credit, percent. */
  async function serve(edge: Awaited<ReturnType<typeof playAtEdge>>["edge"], seq: number, percent: bigint) {
    const { node, terms } = edge;
    const one = workOf(node, terms, await node.receipt(terms, seq, {}, 1n)).exact;
    const exact = ((await statusOf()).creditLimitExact * percent) / 100n;
    const submit = await node.receipt(terms, seq, {}, (exact * 10n) / 11n / one);
    await node.payee.earned(workOf(node, terms, submit));
    await scene.market.hub.ask(node, "receipt.submit", submit);
  }

  it("asks for a voucher when half of the credit is used up", async function () {
    this.timeout(20_000);
    const { id, edge } = await playAtEdge();
    // Twice the credit in less than the pause between vouchers.
    for (let seq = 0; seq < 7; seq += 1) {
      await serve(edge, seq, 30n);
      await scene.clock.advance(1_000);
      await until(isPaid);
      await renew(id, seq);
    }
  });

  it("lets a stream go on while the voucher for one segment above the credit is on its way", async function () {
    this.timeout(20_000);
    const { id, edge } = await playAtEdge();
    const { reached, release } = holdReports();
    await serve(edge, 0, 150n);
    await reached;
    await renew(id, 0);
    await scene.clock.advance(2_000);
    await renew(id, 1);
    release();
    await until(isPaid);
    await renew(id, 2);
    // The next wait is a wait of its own.
    await scene.clock.advance(9_000);
    const again = holdReports();
    await serve(edge, 1, 150n);
    await again.reached;
    await renew(id, 3);
    again.release();
  });

  it("ends the stream of a buyer that is there and does not pay", async function () {
    this.timeout(20_000);
    const { id, edge } = await playAtEdge();
    refuseVouchers();
    await serve(edge, 0, 150n);
    await until(async () => (await unreported()) === 0);
    assert.deepEqual(await endOf(id), { code: "STREAM_CREDIT_EXHAUSTED", second: 10 });
  });

  it("waits for no voucher of a buyer that is away", async function () {
    this.timeout(20_000);
    const { id, edge } = await playAtEdge();
    scene.market.hub.leave(scene.buyer);
    await serve(edge, 0, 150n);
    await assert.rejects(renew(id, 0), { code: "STREAM_CREDIT_EXHAUSTED" });
  });

  it("waits for no voucher that the buyer's reserve would not cover", async function () {
    this.timeout(20_000);
    const { id, edge } = await playAtEdge();
    const { channel, creditLimitExact } = await statusOf();
    scene.books.channels.set(channel, { reserve: toBaseUnits(creditLimitExact, 6) });
    for (let seq = 0; seq < 6; seq += 1) {
      await renew(id, seq);
      await scene.clock.advance(1_000);
    }
    await serve(edge, 0, 150n);
    await assert.rejects(renew(id, 6), { code: "STREAM_RESERVE_SPENT" });
  });

  it("is paid what the buyer's reserve covers where one segment is worth more", async function () {
    this.timeout(20_000);
    const { id, edge } = await playAtEdge();
    const { channel, creditLimitExact, vouchered: ahead } = await statusOf();
    const reserve = toBaseUnits(creditLimitExact, 6);
    scene.books.channels.set(channel, { reserve });
    await scene.clock.advance(5_000);
    const answer = scene.buyer.answer;
    refuseVouchers();
    await serve(edge, 0, 30n);
    await serve(edge, 1, 150n);
    await assert.rejects(renew(id, 1), { code: "STREAM_RESERVE_SPENT" });
    await until(async () => (await unreported()) === 0);
    scene.buyer.answer = answer;
    await until(async () => {
      await scene.clock.advance(1_000);
      return (await statusOf()).vouchered > ahead;
    });
    const { vouchered } = await statusOf();
    assert.ok(vouchered <= reserve && vouchered >= (reserve * 29n) / 100n, `${vouchered} of ${reserve}`);
  });

  /** Renews each second until it is refused: by which code and in which second. */
  async function endOf(id: Hex): Promise<{ code: string; second: number }> {
    for (let second = 0; ; second += 1) {
      assert.ok(second < 30, "it is still live");
      try {
        await renew(id, second);
      } catch (error) {
        return { code: (error as { code: string }).code, second };
      }
      await scene.clock.advance(1_000);
    }
  }

  /** The buyer's agent takes its time with what it is told. */
  function holdReports() {
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    beforeAnswer("usage.report", () => {
      reached.resolve();
      return released.promise;
    });
    return { reached: reached.promise, release: released.resolve };
  }

  function refuseVouchers() {
    beforeAnswer("voucher.request", async () => {
      throw new RemoteError({ code: "VOUCHER_CHANNEL_UNKNOWN", method: "voucher.request" });
    });
  }

  function beforeAnswer(held: BalancerMethod, work: () => Promise<void>) {
    const answer = scene.buyer.answer.bind(scene.buyer);
    scene.buyer.answer = async (method, body) => {
      if (method === held) await work();
      return answer(method, body);
    };
  }
});
