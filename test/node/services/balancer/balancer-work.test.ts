import assert from "node:assert/strict";
import type { ReceiptInfo } from "@leat/sdk/client/actions/streams.ts";
import { verifyReceipt } from "@leat/sdk/client/verify-receipt.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec, JobTerms } from "@leat/sdk/protocol/job.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import { explain } from "@leat/sdk/selection/explain.ts";
import { bodyFromText } from "@leat/sdk/selection/receipt.ts";
import { toJson } from "../../../../node/cli/output.ts";
import { presentReceipt } from "../../../../node/http/rest/presenters.ts";
import { JobStore } from "../../../../node/store/sql/job-store.ts";
import { receipts } from "../../../../node/store/sql/schema.ts";
import { WireError } from "../../../../node/wire/errors.ts";
import type { BalancerRequest } from "../../../../node/wire/session/messages.ts";
import { type EdgeOf, ladder, source, useBalancer } from "../../../support/balancer-scene.ts";
import { usdc } from "../../../support/candidates.ts";
import { codeOf, randomHash } from "../../../support/fake-market.ts";
import { domain, FakeNode } from "../../../support/fake-node.ts";

describe("balancer, work and its pay", () => {
  const scene = useBalancer();
  const { create, publish, until, transcoders, ownerOf, goLive } = scene;

  it("places one transcode job per family, never on the ingest node, with a receipt that anybody can recompute", async () => {
    const { id, ready } = await goLive(scene.nodes[1]);
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
      assert.notEqual(terms.assignment.value.node, scene.nodes[1].address);
      const { receipt, body, commit } = await scene.market.balancer.selection(terms.selection);
      const rows = await scene.market.balancer.candidates(receipt.value.tableRoot);
      const anchor = commit!.value.anchor;
      const explanation = explain({ receipt: receipt.value, body: bodyFromText(body), rows, anchor });
      assert.ok(explanation.agrees);
      assert.equal(explanation.selection.winner, terms.assignment.value.node);
    }
  });

  it("takes receipts of a job while those of another wait for the disk", async () => {
    const live = await goLive();
    const [slow, other] = transcoders(live.id) as [JobTerms, JobTerms];
    const submit = async (terms: JobTerms) =>
      scene.market.hub.ask(ownerOf(terms), "receipt.submit", await ownerOf(terms).receipt(terms, 0));
    const { addReceipt } = JobStore.prototype;
    const goOn = Promise.withResolvers<void>();
    const written: Hex[] = [];
    JobStore.prototype.addReceipt = async function (row) {
      if (row.job === slow.assignment.value.job) await goOn.promise;
      written.push(row.job);
      return addReceipt.call(this, row);
    };
    try {
      const first = submit(slow);
      await submit(other);
      goOn.resolve();
      await first;
    } finally {
      JobStore.prototype.addReceipt = addReceipt;
    }
    assert.deepEqual(written, [other.assignment.value.job, slow.assignment.value.job]);
  });

  it("shows of each receipt what was made of it, and not that it was checked before it was", async () => {
    const live = await goLive();
    const terms = transcoders(live.id)[0]!;
    const show = async () => {
      const shown = await scene.market.balancer.views.receipts(scene.nodes[3].address, live.id, 10);
      return JSON.parse(toJson(shown.map(presentReceipt))) as ReceiptInfo[];
    };
    const submit = async (sequence: number) => {
      const work = await ownerOf(terms).receipt(terms, sequence);
      await scene.market.hub.ask(live.ingest, "segment.published", { stream: live.id, rungs: [0], sequence });
      await scene.market.hub.ask(ownerOf(terms), "receipt.submit", work);
      return work.receipt.value;
    };
    const [good, bad] = [await submit(0), await submit(1)];
    await submit(2);
    const proofs = async () => (await show()).sort((one, other) => one.seq - other.seq).map(({ proof }) => proof);
    assert.deepEqual(await proofs(), ["unchecked", "unchecked", "unchecked"]);
    await scene.market.hub.ask(live.ingest, "check.submit", await live.ingest.check(good, checkVerdicts.passed));
    await scene.market.hub.ask(live.ingest, "check.submit", await live.ingest.check(bad, checkVerdicts.failed));
    assert.deepEqual(await proofs(), ["checked", "failed", "unchecked"]);
    const context = {
      domain,
      origins: new Set([live.ingest.address]),
      isAttempt: () => true,
      isNode: async () => true,
      isBuyers: async () => false,
    };
    for (const shown of await show()) assert.deepEqual((await verifyReceipt(shown, context)).faults, []);
  });

  it("places no transcode for a stream of sound alone, and plays it from edges", async () => {
    const created = await create();
    const grant = await publish(scene.nodes[0], created.streamKey);
    scene.nodes[0].jobs.set(grant.terms.assignment.value.job, grant.terms);
    const { audio } = source;
    const ready = await scene.market.hub.ask(scene.nodes[0], "source.ready", {
      stream: created.id,
      source: { audio },
      partTargetMs: 250,
    });
    assert.deepEqual(
      ready.renditions.map(({ name, rung }) => [name, rung]),
      [
        ["audio-aac", 100],
        ["audio-opus", 101],
      ],
    );
    const { primary } = await scene.market.balancer.play(created.slug);
    assert.ok(primary!.hls.endsWith(`/live/${created.slug}/master.m3u8`));
    const placed = scene.nodes.flatMap((node) => [...node.jobs.values()].map(({ spec }) => spec.primitive));
    assert.deepEqual(placed.sort(), ["delivery", "delivery", "ingest"]);
  });

  it("offers a job to the next node when one refuses", async () => {
    scene.nodes[1].refusals.set("job.assign", "JOB_CAPACITY_SHORT");
    const { id } = await goLive();
    for (const terms of transcoders(id)) assert.equal(terms.assignment.value.node, scene.nodes[2].address);
  });

  it("owes a checked transcode at wholesale and earns it at retail", async () => {
    const { id, ingest } = await goLive();
    const terms = transcoders(id)[0]!;
    const worker = ownerOf(terms);
    const submit = await worker.receipt(terms, 0);
    await scene.market.hub.ask(worker, "receipt.submit", submit);
    await scene.market.hub.ask(worker, "receipt.submit", submit);
    assert.equal(scene.market.books.owed.length, 1);
    assert.deepEqual(scene.market.books.passedKeys, []);
    const { exact } = scene.market.books.owed[0]!;
    const retail = (exact * 11n) / 10n;
    assert.equal(scene.market.books.earnedWork[0]!.exact, retail);
    const { job } = terms.assignment.value;
    const views = await scene.market.balancer.views.jobs(scene.nodes[3].address, id);
    const [cost] = views.find((view) => view.job.id === job)!.costs;
    assert.deepEqual([cost!.receipts, cost!.dueExact + cost!.waitingExact, cost!.droppedExact], [1, retail, 0n]);
    await scene.market.hub.ask(ingest, "check.submit", await ingest.check(submit.receipt.value, 1));
    assert.equal(new Set(scene.market.books.passedKeys).size, 1);
  });

  it("refuses receipts of others, of other quotes, with other leaves, out of range, and a second one", async () => {
    const { id } = await goLive();
    const terms = transcoders(id)[0]!;
    const worker = ownerOf(terms);
    const other = scene.nodes.find((node) => node !== worker)!;
    const ask = (from: FakeNode, body: Awaited<ReturnType<FakeNode["receipt"]>>) =>
      scene.market.hub.ask(from, "receipt.submit", body);
    await assert.rejects(ask(other, await worker.receipt(terms, 0)), codeOf("JOB_NOT_YOURS"));
    await assert.rejects(ask(worker, await other.receipt(terms, 0)), codeOf("RECEIPT_SIGNER_WRONG"));
    const quoteHash = randomHash(1);
    await assert.rejects(ask(worker, await worker.receipt(terms, 0, { quoteHash })), codeOf("RECEIPT_QUOTE_WRONG"));
    const sizeBytes = 1n;
    await assert.rejects(ask(worker, await worker.receipt(terms, 0, { sizeBytes })), codeOf("RECEIPT_LEAVES_WRONG"));
    await ask(worker, await worker.receipt(terms, 0));
    await assert.rejects(ask(worker, await worker.receipt(terms, 0, { durationMs: 1 })), codeOf("RECEIPT_CONFLICT"));
    assert.equal(scene.market.books.owed.length, 1);
  });

  it("drops a transcoder whose work failed a check and places the rest elsewhere", async () => {
    const { id, ingest } = await goLive();
    const terms = transcoders(id)[0]!;
    const worker = ownerOf(terms);
    const { job } = terms.assignment.value;
    const submit = await worker.receipt(terms, 0);
    await scene.market.hub.ask(worker, "receipt.submit", submit);
    await scene.market.hub.ask(ingest, "check.submit", await ingest.check(submit.receipt.value, 2));
    assert.deepEqual(scene.market.books.forfeited, [`${job} 1`]);
    await until(() => transcoders(id).some(({ assignment }) => assignment.value.job === job));
    const next = transcoders(id).find(({ assignment }) => assignment.value.job === job)!;
    assert.notEqual(next.assignment.value.node, worker.address);
    assert.equal(next.assignment.value.attempt, 2);
    await assert.rejects(
      scene.market.hub.ask(worker, "receipt.submit", await worker.receipt(terms, 1)),
      codeOf("RECEIPT_RANGE_WRONG"),
    );
  });

  it("moves the jobs of a node that stays away longer than the grace", async () => {
    const { id } = await goLive();
    const lost = scene.nodes[2];
    const had = transcoders(id).filter(({ assignment }) => assignment.value.node === lost.address).length;
    lost.jobs.clear();
    scene.market.hub.leave(lost);
    await scene.market.clock.advance(3_100);
    await until(() => transcoders(id).length === 2);
    const moved = transcoders(id).filter(({ assignment }) => assignment.value.attempt === 2);
    assert.equal(moved.length, had);
  });

  it("plays a stream from two different edges and pays them up to the budget", async () => {
    const live = await goLive();
    assert.deepEqual((await create().then(({ slug }) => scene.market.balancer.play(slug))).primary, null);
    const { primary, fallback } = await scene.market.balancer.play(live.slug);
    assert.ok(primary!.hls.endsWith(`/live/${live.slug}/master.m3u8`));
    assert.notEqual(primary!.hls, fallback!.hls);
    assert.deepEqual(await scene.market.balancer.play(live.slug).then((again) => again.primary), primary);
    const edges = scene.nodes.flatMap((node) =>
      [...node.jobs.values()].filter(({ spec }) => spec.primitive === "delivery").map((terms) => ({ node, terms })),
    );
    assert.equal(edges.length, 2);
    for (const { node, terms } of edges) {
      await scene.market.hub.ask(node, "receipt.submit", await node.receipt(terms, 0));
    }
    // What the first one was granted beyond what it served is its own.
    for (const seq of [1, 2]) {
      const [{ node, terms }] = edges as [EdgeOf, EdgeOf];
      await scene.market.hub.ask(node, "receipt.submit", await node.receipt(terms, seq));
    }
    const paid = scene.market.books.owed.map(({ exact }) => exact / (5n * 10n ** 18n));
    assert.deepEqual(paid, [1_000n, 474n, 26n, 0n]);
    // Beyond the budget nothing is owed, and no buyer is asked for a voucher over nothing.
    assert.equal(scene.market.books.earnedWork.length, 3);
    const grantsOf = ({ node, terms }: EdgeOf) => [
      (terms.spec as DeliverySpec).unsignedBudgetBytes,
      ...(node.told("job.update") as { unsignedBudgetBytes?: bigint }[]).flatMap(
        (one) => one.unsignedBudgetBytes ?? [],
      ),
    ];
    await until(() => edges.every((edge) => grantsOf(edge).length === 2));
    assert.deepEqual(
      edges.map(grantsOf).map(([, raised]) => raised),
      [1_026n, 474n],
    );
    const given = edges.map(grantsOf).map(([begun]) => begun!);
    assert.deepEqual(
      given.sort((left, right) => Number(left - right)),
      [88n, 94n],
    );
    const stream = await scene.market.balancer.views.stream(scene.nodes[3].address, live.id);
    assert.equal(stream.unsignedPaidBytes, 1_500n);
  });

  it("grants another edge what one that ended has left, once its last receipts had time to come", async () => {
    const live = await goLive();
    await scene.market.balancer.play(live.slug);
    const [first, second] = scene.edgesOf(live.id) as [EdgeOf, EdgeOf];
    await scene.market.hub.ask(first.node, "receipt.submit", await first.node.receipt(first.terms, 0));
    const { job, attempt } = first.terms.assignment.value;
    await scene.market.hub.ask(first.node, "job.failed", { job, attempt, code: "DELIVERY_ORIGIN_LOST", sequence: 0 });
    const owedFor = async (seq: number) => {
      await scene.market.hub.ask(second.node, "receipt.submit", await second.node.receipt(second.terms, seq));
      return scene.market.books.owed.at(-1)!.exact / (5n * 10n ** 18n);
    };
    const paid = await owedFor(1);
    assert.ok(paid > 0n && paid <= 474n, `${paid}`);
    assert.equal(await owedFor(2), 0n);
    scene.market.hub.beat(live.ingest);
    await scene.market.clock.advance(60_000);
    assert.equal(await owedFor(3), 26n);
    const { unsignedPaidBytes } = await scene.market.balancer.views.stream(scene.nodes[3].address, live.id);
    assert.ok(unsignedPaidBytes <= 1_500n);
  });

  it("drops an edge that failed a probe, whichever receipt the probe names", async () => {
    const live = await goLive();
    await scene.market.balancer.play(live.slug);
    const edge = scene.nodes.find((node) => [...node.jobs.values()].some(({ spec }) => spec.primitive === "delivery"))!;
    const terms = [...edge.jobs.values()].find(({ spec }) => spec.primitive === "delivery")!;
    const { job } = terms.assignment.value;
    const submit = await edge.receipt(terms, 0);
    await scene.market.hub.ask(edge, "receipt.submit", submit);
    // The buyer compared with the transcoder's receipt before it knew of the edge's own.
    const compared = { ...submit.receipt.value, durationMs: 1 };
    await scene.market.hub.ask(scene.nodes[3], "check.submit", await scene.nodes[3].check(compared, 2, 4));
    assert.deepEqual(scene.market.books.forfeited, [`${job} 1`]);
    await until(() => scene.nodes.every((node) => node.jobs.get(job)?.assignment.value.attempt !== 1));
  });

  it("pays a transcode only for the receipt that its check names", async () => {
    const { id, ingest } = await goLive();
    const terms = transcoders(id)[0]!;
    const worker = ownerOf(terms);
    const shown = await worker.receipt(terms, 0);
    await scene.market.hub.ask(ingest, "check.submit", await ingest.check(shown.receipt.value, 1));
    await scene.market.hub.ask(worker, "receipt.submit", await worker.receipt(terms, 0, { durationMs: 1_999 }));
    assert.deepEqual(scene.market.books.passedKeys, []);
  });

  it("tells the buyer's agent of receipts and edges", async () => {
    const live = await goLive();
    await scene.market.balancer.play(live.slug);
    const terms = transcoders(live.id)[0]!;
    const { ingest } = live;
    await scene.market.hub.ask(ingest, "segment.published", { stream: live.id, rungs: [0], sequence: 1 });
    const [unchecked, passed] = [await ownerOf(terms).receipt(terms, 0), await ownerOf(terms).receipt(terms, 1)];
    for (const submit of [unchecked, passed]) await scene.market.hub.ask(ownerOf(terms), "receipt.submit", submit);
    // What did not pass may say anything, and edges would be compared with it.
    await scene.market.hub.ask(ingest, "check.submit", await ingest.check(passed.receipt.value, 1));
    await until(() => scene.nodes[3].told("usage.report").length === 1);
    assert.deepEqual(
      scene.nodes[3]
        .told("usage.report")
        .map((report) => (report as BalancerRequest<"usage.report">).receipt.value.seq),
      [1n],
    );
    await until(() => scene.nodes[3].told("stream.watch").length > 0);
  });

  it("tells one buyer of its receipts whatever another refuses or leaves unanswered", async function () {
    this.timeout(60_000);
    const live = await goLive();
    const terms = transcoders(live.id)[0]!;
    const worker = ownerOf(terms);
    const work = async (sequence: number) => {
      const submit = await worker.receipt(terms, sequence);
      await scene.market.hub.ask(live.ingest, "segment.published", { stream: live.id, rungs: [0], sequence });
      await scene.market.hub.ask(worker, "receipt.submit", submit);
      await scene.market.hub.ask(live.ingest, "check.submit", await live.ingest.check(submit.receipt.value, 1));
    };
    await work(0);
    await until(() => scene.nodes[3].told("usage.report").length === 1);
    const [row] = await new JobStore(scene.database).receiptsOf(live.id, 1);
    const mute = new FakeNode(5, ["buyer"]);
    const silence = Promise.withResolvers<never>();
    mute.answer = () => silence.promise;
    const refusing = new FakeNode(6, ["buyer"]);
    refusing.refusals.set("usage.report", "USAGE_PAID_TWICE");
    for (const other of [mute, refusing]) {
      const { id } = await scene.market.balancer.createStream(other.address, {
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
      await scene.database.sql.insert(receipts).values(rows);
      scene.market.hub.join(other);
    }
    await work(9);
    await until(() => scene.nodes[3].told("usage.report").length === 2);
    await until(() => refusing.told("usage.report").length === 501);
    // Not again until much later.
    await scene.market.clock.advance(10_000);
    await work(10);
    await until(() => scene.nodes[3].told("usage.report").length === 3);
    assert.equal(refusing.told("usage.report").length, 501);
    silence.reject(new WireError({ code: "WIRE_PEER_SLOW", waitedFor: "answer" }));
  });
});
