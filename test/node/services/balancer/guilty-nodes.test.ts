import assert from "node:assert/strict";
import { join } from "node:path";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { JobTerms } from "@leat/sdk/protocol/job.ts";
import { nativeStatements } from "../../../../node/kernel/secp.ts";
import { EvidenceService, evidenceOptions } from "../../../../node/services/faults/evidence-service.ts";
import { EvidenceFiles } from "../../../../node/store/evidence.ts";
import { useBalancer } from "../../../support/balancer-scene.ts";
import { usdc } from "../../../support/candidates.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import { codeOf, startMarket } from "../../../support/fake-market.ts";
import { domain, type FakeNode } from "../../../support/fake-node.ts";

describe("a node that signed two receipts of one work", () => {
  const scene = useBalancer();
  const { publish, until, transcoders, ownerOf, edgesOf, goLive } = scene;
  let files: EvidenceFiles;
  let evidence: EvidenceService;
  let runs = 0;

  beforeEach(async () => {
    runs += 1;
    files = new EvidenceFiles(join(scene.folder, `faults-${runs}`));
    await restart();
  });

  /** The balancer's process begins anew, with what is on disk. */
  async function restart(): Promise<void> {
    evidence = new EvidenceService(
      {
        files,
        statements: nativeStatements,
        domain,
        faults: undefined,
        sender: { send: () => assert.fail("nothing is reported unless it is set") },
        reporter: usdc,
        ...{ clock: scene.market.clock, logger: silentLogger, metrics: silentMetrics },
      },
      defaultsOf(evidenceOptions),
    );
    await evidence.start();
    await scene.market.balancer.stop();
    scene.market = await startMarket(scene.database, { nodes: scene.nodes, evidence });
    for (const node of scene.nodes) scene.market.hub.join(node);
  }

  /** A stream of which one node makes all families. */
  async function goLiveAt(worker: FakeNode) {
    const other = scene.nodes.find((node) => node !== worker && node.roles.includes("transcode"))!;
    other.refusals.set("job.assign", "JOB_CAPACITY_SHORT");
    const live = await goLive();
    other.refusals.clear();
    const jobs = transcoders(live.id);
    assert.ok(jobs.every((terms) => ownerOf(terms) === worker));
    return { ...live, jobs };
  }

  const submit = (node: FakeNode, body: Awaited<ReturnType<FakeNode["receipt"]>>) =>
    scene.market.hub.ask(node, "receipt.submit", body);
  const isFree = (stream: Hex, liar: FakeNode) => () =>
    transcoders(stream).length === 2 && transcoders(stream).every((terms) => ownerOf(terms) !== liar);
  const attemptsOf = (jobs: readonly JobTerms[]) =>
    jobs.map(({ assignment: { value } }) => `${value.job} ${value.attempt}`).toSorted();
  const contradict = async (node: FakeNode, terms: JobTerms) =>
    [await node.receipt(terms, 0), await node.receipt(terms, 0, { durationMs: 1 })] as const;

  const renewalOf = (stream: Hex) => ({
    ...{ stream, sequence: 0, frames: 1, lastFrameAgeMs: 0, isOver: false },
    published: [],
  });

  it("is proven so for good, and loses all that it does at once, unpaid where that waits", async () => {
    const liar = scene.nodes[2];
    const { id, jobs } = await goLiveAt(liar);
    const [first, second] = await contradict(liar, jobs[0]!);
    await submit(liar, first);
    await assert.rejects(submit(liar, second), codeOf("RECEIPT_CONFLICT"));
    assert.deepEqual(await files.list(), [{ first: first.receipt, second: second.receipt }]);
    assert.equal(evidence.isGuilty(liar.address), true);
    assert.deepEqual(scene.market.books.forfeited.toSorted(), attemptsOf(jobs));
    await until(isFree(id, liar));
    const ends = liar.told("job.end") as { code: string }[];
    assert.deepEqual(
      ends.map(({ code }) => code),
      ["CHECK_CONTRADICTED", "CHECK_CONTRADICTED"],
    );
    // A node that did nothing wrong cannot be accused by a second receipt that somebody else signed.
    assert.equal(await evidence.keep({ first: first.receipt, second: first.receipt }), false);
  });

  it("holds up nobody where it does not answer any more", async () => {
    const liar = scene.nodes[2];
    const { grant, ingest, jobs } = await goLiveAt(liar);
    const answer = liar.answer.bind(liar);
    liar.answer = (method, body) => (method === "job.end" ? new Promise(() => {}) : answer(method, body));
    const [first, second] = await contradict(liar, jobs[0]!);
    await submit(liar, first);
    submit(liar, second).catch(() => {});
    await until(() => scene.market.books.forfeited.length === 2);
    assert.deepEqual(await submit(ingest, await ingest.receipt(grant.terms, 0)), { accepted: true });
  });

  it("loses it also where its balancer was killed right after it had the proof", async () => {
    const liar = scene.nodes[2];
    const { id, ingest, jobs } = await goLiveAt(liar);
    const [first, second] = await contradict(liar, jobs[0]!);
    await evidence.keep({ first: first.receipt, second: second.receipt });
    await restart();
    assert.deepEqual(scene.market.books.forfeited.toSorted(), attemptsOf(jobs));
    // Places are found once the origin says how far the stream has come.
    await scene.market.hub.ask(ingest, "publish.renew", renewalOf(id));
    await until(isFree(id, liar));
  });

  it("is paid nothing that no voucher covers of what it delivered, killed before that was taken out of the books too", async () => {
    const { id, slug } = await goLive();
    await scene.market.balancer.play(slug);
    const { node, terms } = edgesOf(id)[0]!;
    const [first, second] = await contradict(node, terms);
    await submit(node, first);
    await assert.rejects(submit(node, second), codeOf("RECEIPT_CONFLICT"));
    const attempts = attemptsOf([terms]);
    assert.ok(scene.market.books.forfeited.includes(attempts[0]!));
    await restart();
    assert.ok(scene.market.books.forfeited.includes(attempts[0]!));
  });

  it("loses with its next receipt what it was given while it was being caught", async () => {
    const liar = scene.nodes[2];
    const { id, jobs } = await goLiveAt(liar);
    const [first, second] = await contradict(liar, jobs[0]!);
    await evidence.keep({ first: first.receipt, second: second.receipt });
    await submit(liar, await liar.receipt(jobs[1]!, 0)).catch(() => {});
    await until(isFree(id, liar));
    assert.deepEqual(scene.market.books.forfeited.toSorted(), attemptsOf(jobs));
  });

  it("takes no stream in any more, and keeps none from whoever does", async () => {
    const { id, streamKey, grant, ingest } = await goLive();
    const [first, second] = await contradict(ingest, grant.terms);
    await submit(ingest, first);
    await assert.rejects(submit(ingest, second), codeOf("RECEIPT_CONFLICT"));
    const renewed = scene.market.hub.ask(ingest, "publish.renew", renewalOf(id));
    await assert.rejects(renewed, codeOf("PUBLISH_LEASE_LOST"));
    await assert.rejects(publish(ingest, streamKey), codeOf("PUBLISH_NODE_WRONG"));
    const next = await publish(scene.nodes[1], streamKey);
    assert.equal(next.terms.assignment.value.node, scene.nodes[1].address);
  });
});
