import assert from "node:assert/strict";
import { hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { JobTerms } from "@leat/sdk/protocol/job.ts";
import { toBaseUnits, toExact } from "@leat/sdk/protocol/units.ts";
import { JobStore } from "../../../../node/store/sql/job-store.ts";
import { StreamStore } from "../../../../node/store/sql/stream-store.ts";
import { usdc } from "../../../support/candidates.ts";
import { codeOf } from "../../../support/fake-market.ts";
import { clusterAccount } from "../../../support/fake-node.ts";
import { usePayingMarket } from "../../../support/paying-scene.ts";

/** Who takes a stream in says how many segments came. It may be the buyer of that stream as well. */
describe("an ingest node that claims more than came in", function () {
  this.timeout(60_000);
  const scene = usePayingMarket();
  const { open, until, create, publish, work, renew } = scene;
  const node = () => scene.nodes[0]!;
  const status = async () => (await scene.books.cluster.payee.status())[0]!;

  async function goLiveAlone() {
    await open(6);
    const { id, streamKey } = await create();
    const { terms } = await publish(streamKey);
    return { id, terms, streamKey };
  }
  const submit = async (terms: JobTerms, seq: number) =>
    scene.market.hub.ask(node(), "receipt.submit", await node().receipt(terms, seq));
  const positionOf = async (stream: Hex) => (await new StreamStore(scene.database).find(stream))?.nextSequence;
  const published = (stream: Hex, sequence: number) =>
    scene.market.hub.ask(node(), "segment.published", { stream, rungs: [0], sequence });
  const end = (stream: Hex, lastSequence: number) =>
    scene.market.hub.ask(node(), "publish.end", { stream, clean: true, lastSequence, frames: 60 });
  /** The buyer's money for as much as its credit. */
  async function leaveLittle(times = 1n) {
    const { channel, creditLimitExact } = await status();
    const reserve = toBaseUnits(creditLimitExact * times, 6);
    scene.books.channels.set(channel, { reserve });
    await scene.clock.advance(5_000);
    return reserve;
  }

  it("is believed as far as its renewals told, and for one segment that began since", async () => {
    const { id, terms } = await goLiveAlone();
    await renew(id, 4);
    await submit(terms, 5);
    await assert.rejects(submit(terms, 1_000_000), codeOf("ATTEMPT_END_UNKNOWN"));
    await assert.rejects(submit(terms, 7), codeOf("ATTEMPT_END_UNKNOWN"));
    await renew(id, 6);
    await submit(terms, 7);
    await end(id, 6);
    await submit(terms, 6);
    await assert.rejects(submit(terms, 8), codeOf("RECEIPT_RANGE_WRONG"));
  });

  it("moves a stream no further than its buyer's credit, by whatever it says", async () => {
    const { id } = await goLiveAlone();
    await leaveLittle();
    await published(id, 4);
    assert.equal(await positionOf(id), 5);
    await published(id, 1_000_000);
    assert.equal(await positionOf(id), 5);
    await end(id, 1_000_000);
    assert.equal(await positionOf(id), 6);
  });

  it("moves it no further when it is asked where it stands, as the next node takes it in", async () => {
    const { id, streamKey } = await goLiveAlone();
    await renew(id, 4);
    await leaveLittle(2n);
    node().position = 1_000_000;
    const { startSequence } = await publish(streamKey, scene.nodes[1]);
    assert.equal(startSequence, 6);
  });

  it("lets a transcoder that is one with it claim no more", async () => {
    await open(6);
    const { id } = await scene.goLive();
    const { node: maker, terms } = scene.jobsOf(id).find((one) => one.terms.spec.primitive === "transcode")!;
    const { spec, assignment } = terms;
    assert.ok(spec.primitive === "transcode");
    await leaveLittle();
    const told = { stream: id, rungs: spec.rungs.map(({ rung }) => rung), sequence: 1_000_000 };
    await scene.market.hub.ask(node(), "segment.published", told);
    const claim = async () => scene.market.hub.ask(maker, "receipt.submit", await maker.receipt(terms, 500));
    await assert.rejects(claim(), codeOf("ATTEMPT_END_UNKNOWN"));
    const { job } = assignment.value;
    const over = { job, attempt: 1, code: "TRANSCODING_TOO_LATE", sequence: null };
    await scene.market.hub.ask(node(), "job.failed", over);
    assert.equal((await new JobStore(scene.database).attempt(job, 1))?.endSequence, 1);
    await assert.rejects(claim());
    assert.equal((await status()).unpaidExact, 0n);
  });

  it("stops no other stream of its buyer by that", async () => {
    const { id } = await goLiveAlone();
    const other = await create();
    await publish(other.streamKey);
    await leaveLittle();
    await published(id, 1_000_000);
    await renew(other.id, 1);
    assert.equal(await positionOf(other.id), 2);
  });

  it("ends its stream by a renewal beyond that", async () => {
    const { id } = await goLiveAlone();
    await leaveLittle();
    await assert.rejects(renew(id, 1_000_000), codeOf("STREAM_RESERVE_SPENT"));
    assert.equal(await positionOf(id), 0);
  });

  it("is told of its end as it was where all that it missed to tell is covered", async () => {
    const { id } = await goLiveAlone();
    await end(id, 20);
    assert.equal(await positionOf(id), 21);
  });

  it("is paid its channel's reserve at most, and its buyer owes what its own covers", async () => {
    const { id, terms } = await goLiveAlone();
    const channel = hubChannel(clusterAccount, node().address, usdc);
    const { vouchered: ahead } = (await scene.books.cluster.payer.status()).find(
      (one) => one.channel.payee === node().address,
    )!;
    scene.books.channels.set(channel, { reserve: ahead + 100n });
    const reserve = await leaveLittle();
    let refused: string | undefined;
    for (let seq = 0; refused === undefined; seq += 1) {
      assert.ok(seq < 500, "it is paid for ever");
      await work(node(), terms, seq);
      await scene.clock.advance(100);
      await renew(id, seq).catch(({ code }: { code: string }) => {
        refused = code;
      });
    }
    assert.equal(refused, "STREAM_RESERVE_SPENT");
    const { unpaidExact, vouchered } = await status();
    assert.ok(unpaidExact + toExact(vouchered, 6) <= toExact(reserve, 6));
    await until(async () => {
      await scene.clock.advance(1_000);
      return (await scene.books.vouchered(node().payee, clusterAccount)) > ahead;
    });
    assert.ok((await scene.books.vouchered(node().payee, clusterAccount)) <= ahead + 100n);
  });
});
