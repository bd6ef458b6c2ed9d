import assert from "node:assert/strict";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { JobTerms } from "@leat/sdk/protocol/job.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import { toBaseUnits } from "@leat/sdk/protocol/units.ts";
import { balancerOptions } from "../../../../node/services/balancer/options.ts";
import type { Work } from "../../../../node/services/payment/index.ts";
import { JobStore } from "../../../../node/store/sql/job-store.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { codeOf, randomHash } from "../../../support/fake-market.ts";
import { clusterAccount } from "../../../support/fake-node.ts";
import { type PaidNode, workOf } from "../../../support/paying-market.ts";
import { usePayingMarket } from "../../../support/paying-scene.ts";

describe("an attempt whose node and balancer were killed at once", function () {
  this.timeout(60_000);
  const scene = usePayingMarket();
  const { open, startAgain, until, jobsOf, goLive, work } = scene;
  const origin = () => scene.nodes[0]!;
  const transcodes = (stream: Hex) => jobsOf(stream).filter(({ terms }) => terms.spec.primitive === "transcode");

  /** A segment that was made and found good while nobody could be told. */
  async function makeUnheard(node: PaidNode, terms: JobTerms, seq: number) {
    const submit = await node.receipt(terms, seq);
    const worth = workOf(node, terms, submit);
    await node.payee.earned(worth);
    return { submit, worth, check: await origin().check(submit.receipt.value, checkVerdicts.passed) };
  }
  type Made = Awaited<ReturnType<typeof makeUnheard>>;
  const submit = (node: PaidNode, made: Made) => scene.market.hub.ask(node, "receipt.submit", made.submit);

  /** What the origin tells when it finds the balancer again. */
  const renew = (stream: Hex, rungs: readonly { readonly rung: number }[], sequence: number) =>
    scene.market.hub.ask(origin(), "publish.renew", {
      stream,
      lastFrameAgeMs: 0,
      sequence,
      frames: sequence * 60,
      isOver: false,
      published: rungs.map(({ rung }) => ({ rung, sequence })),
    });
  async function owedFor(job: Hex, made: readonly Work[]) {
    const { payer } = scene.books.cluster;
    const channel = made[0]!.channel;
    const open = new Set((await payer.unpaid(channel, made)).map(({ seq }) => seq));
    const waiting = (await payer.waiting()).filter((key) => key.job === job);
    return { missing: made.filter(({ seq }) => open.has(seq)).length, waiting: waiting.length };
  }

  it("is paid for what was good, up to where the next attempt begins", async () => {
    await open(6);
    const { id } = await goLive();
    const { node, terms } = transcodes(id)[0]!;
    const { job } = terms.assignment.value;
    for (const seq of [0, 1]) await work(node, terms, seq);
    const made = [await makeUnheard(node, terms, 2), await makeUnheard(node, terms, 3)];
    const beyond = await makeUnheard(node, terms, 4);
    node.jobs.delete(job);
    await scene.market.balancer.stop();
    await scene.books.openCluster();
    await startAgain();
    const store = new JobStore(scene.database);
    await until(async () => (await store.attempt(job, 1))?.endSequence === 2);
    // What is read may be told before it is acknowledged to its writer; writes are acknowledged in their order.
    await store.markReceipt(randomHash(8), { reported: true });
    // The node is there before the origin is, which alone can tell how far the attempt came.
    await assert.rejects(submit(node, made[0]!), codeOf("ATTEMPT_END_UNKNOWN"));
    const { spec } = terms;
    assert.ok(spec.primitive === "transcode");
    await renew(id, spec.rungs, 3);
    await submit(node, made[0]!);
    const next = () => transcodes(id).find(({ terms: { assignment: of } }) => of.value.job === job);
    await until(() => next()?.terms.assignment.value.attempt === 2);
    const { spec: nextSpec } = next()!.terms;
    assert.equal(nextSpec.primitive === "transcode" && nextSpec.startSequence, 4);
    await submit(node, made[1]!);
    await assert.rejects(submit(node, beyond), codeOf("RECEIPT_RANGE_WRONG"));
    const worths = made.map(({ worth }) => worth);
    assert.deepEqual(await owedFor(job, worths), { missing: 0, waiting: 2 });
    for (const { check } of made) await scene.market.hub.ask(origin(), "check.submit", check);
    assert.deepEqual(await owedFor(job, worths), { missing: 0, waiting: 0 });
    await until(async () => {
      await scene.clock.advance(1_000);
      return (await node.payee.waitingFor(clusterAccount)).flatMap(({ work: of }) => of).length === 1;
    });
  });
});

describe("receipts of an attempt that is over", function () {
  this.timeout(60_000);
  const scene = usePayingMarket();
  const { open, until, jobsOf, goLive, publish, create, work } = scene;
  const origin = () => scene.nodes[0]!;

  async function goLiveTranscoding() {
    await open(6);
    const { id } = await goLive();
    const [made] = jobsOf(id).filter(({ terms }) => terms.spec.primitive === "transcode");
    const { node, terms } = made!;
    assert.ok(terms.spec.primitive === "transcode");
    const rungs = terms.spec.rungs.map(({ rung }) => rung);
    const { job } = terms.assignment.value;
    const told = (sequence: number) =>
      scene.market.hub.ask(origin(), "segment.published", { stream: id, rungs, sequence });
    const fail = () =>
      scene.market.hub.ask(node, "job.failed", { job, attempt: 1, code: "TRANSCODING_WORKER_LOST", sequence: null });
    return { id, node, terms, job, told, fail };
  }
  const submit = async (node: PaidNode, terms: JobTerms, seq: number) =>
    scene.market.hub.ask(node, "receipt.submit", await node.receipt(terms, seq));

  it("are taken as far as anything is known to be published, while nobody goes on and when the stream is over", async () => {
    const { id, node, terms, told, fail } = await goLiveTranscoding();
    for (const seq of [0, 1]) await work(node, terms, seq);
    await told(1);
    for (const other of scene.nodes) other.refusals.set("job.reserve", "NODE_FULL");
    await fail();
    await assert.rejects(submit(node, terms, 2), codeOf("ATTEMPT_END_UNKNOWN"));
    await told(2);
    await submit(node, terms, 2);
    await assert.rejects(submit(node, terms, 3), codeOf("ATTEMPT_END_UNKNOWN"));
    const end = { stream: id, clean: true, frames: 240, lastSequence: 3 };
    await scene.market.hub.ask(origin(), "publish.end", end);
    await submit(node, terms, 3);
    await assert.rejects(submit(node, terms, 4), codeOf("RECEIPT_RANGE_WRONG"));
  });

  it("are not bad for what their origin says beside how the work was", async () => {
    const { node, terms, job } = await goLiveTranscoding();
    await work(node, terms, 0);
    await scene.market.hub.ask(origin(), "job.failed", { job, attempt: 1, code: "CHECK_WHATEVER", sequence: null });
    const ended = await new JobStore(scene.database).attempt(job, 1);
    assert.equal(ended?.endCode, "JOB_GIVEN_UP");
  });

  it("are taken up to the next attempt that was not refused at once", async () => {
    const { node, terms, job, told, fail } = await goLiveTranscoding();
    for (const seq of [0, 1]) await work(node, terms, seq);
    await told(1);
    const other = scene.nodes.find((found) => found !== node && found.roles.includes("transcode"))!;
    other.refusals.set("job.assign", "JOB_WORKER_BUSY");
    await fail();
    const store = new JobStore(scene.database);
    await until(async () => (await store.attempt(job, 2))?.state === "failed");
    await told(3);
    await until(async () => {
      await scene.clock.advance(1_000);
      return (await store.attempt(job, 3))?.state === "running";
    });
    assert.equal((await store.attempt(job, 3))?.startSequence, 4);
    for (const seq of [2, 3]) await submit(node, terms, seq);
    await assert.rejects(submit(node, terms, 4), codeOf("RECEIPT_RANGE_WRONG"));
  });

  it("are taken of nobody where another node has the source by then", async () => {
    await open(6);
    const { id, streamKey } = await create();
    const first = await publish(streamKey);
    await scene.renew(id, 4);
    scene.market.hub.leave(origin());
    await scene.clock.advance(defaultsOf(balancerOptions).leaseHoldMs);
    const second = await publish(streamKey, scene.nodes[1]!);
    assert.equal(second.startSequence, 5);
    scene.market.hub.join(origin(), origin().hello([]));
    await submit(origin(), first.terms, 4);
    await assert.rejects(submit(origin(), first.terms, 5), codeOf("RECEIPT_RANGE_WRONG"));
  });

  it("are paid although they came after the end, where most of the work is not checked", async () => {
    await open(6, 0.05);
    const { id, streamKey } = await create();
    const { terms } = await publish(streamKey);
    const { channel } = workOf(origin(), terms, await origin().receipt(terms, 0));
    const ahead = await scene.books.vouchered(origin().payee, clusterAccount);
    const end = { stream: id, clean: true, frames: 1_800, lastSequence: 29 };
    await scene.market.hub.ask(origin(), "publish.end", end);
    let exact = 0n;
    for (let seq = 0; seq < 30; seq += 1) exact += (await work(origin(), terms, seq)).exact;
    const wanted = toBaseUnits(exact, 6);
    assert.ok(wanted > ahead, `${wanted} of which ${ahead} are paid ahead`);
    assert.equal((await scene.books.cluster.payer.settleNow(channel)).vouchered, wanted);
  });
});
