import assert from "node:assert/strict";
import { once } from "node:events";
import { zeroHash } from "@leat/sdk/protocol/hex.ts";
import type { JobSpec, JobTerms } from "@leat/sdk/protocol/job.ts";
import { FakeBalancer } from "../../../support/fake-balancer.ts";
import { MediaNode } from "../../../support/media-network.ts";

const ladder = [{ name: "120p", codec: "h264", height: 120, videoBitrate: 100_000, audioBitrate: 64_000 }] as const;

describe("job desk", () => {
  let balancer: FakeBalancer;
  let node: MediaNode;
  let spec: JobSpec;

  beforeEach(async () => {
    balancer = new FakeBalancer(ladder);
    node = new MediaNode(balancer);
    await node.start();
    balancer.origin = node;
    spec = balancer.deliverySpec();
  });

  afterEach(() => node.stop());

  it("sells no more than it has, and has it back when the job ends", async () => {
    const { total } = node.desk.capacity().deliveryBytesPerSecond;
    const job = zeroHash;
    const reserve = (units: number, id = job) =>
      balancer.ask(node, "job.reserve", { job: id, attempt: 1, primitive: "delivery", units });
    assert.equal((await reserve(total)).granted, true);
    assert.deepEqual(await reserve(1, `0x${"01".repeat(32)}`), { granted: false, code: "JOB_CAPACITY_SHORT" });
    // The same job asked for anew takes the place of its own reservation.
    assert.equal((await reserve(total - 10)).granted, true);
    assert.equal(node.desk.capacity().deliveryBytesPerSecond.free, 10);
    const terms = await balancer.assign(node, spec);
    assert.equal(node.desk.capacity().deliveryBytesPerSecond.free, 9);
    const { job: given, attempt } = terms.assignment.value;
    assert.deepEqual(node.desk.runningJobs(), [
      { job: given, attempt, primitive: "delivery", stream: spec.stream, sequence: null },
    ]);
    await balancer.ask(node, "job.end", { job: given, attempt, code: "JOB_REPLACED" });
    assert.equal(node.desk.capacity().deliveryBytesPerSecond.free, 10);
    assert.deepEqual(node.desk.runningJobs(), []);
  });

  it("takes no job at other prices, for other work, from another signer or twice", async () => {
    const terms = await balancer.terms(node, spec);
    const assign = (changed: JobTerms) => balancer.ask(node, "job.assign", changed);
    const dearer = { ...terms, prices: { ...terms.prices, deliveredByte: 1n } };
    await assert.rejects(assign(dearer), { code: "JOB_QUOTE_WRONG" });
    const other = { ...terms, spec: { ...spec, stream: zeroHash } };
    await assert.rejects(assign(other), { code: "JOB_QUOTE_WRONG" });
    const quote = { ...terms.quote, signature: terms.assignment.signature };
    await assert.rejects(assign({ ...terms, quote }), { code: "STATEMENT_SIGNER_WRONG" });
    const assignment = { ...terms.assignment, signature: terms.quote.signature };
    await assert.rejects(assign({ ...terms, assignment }), { code: "JOB_ASSIGNMENT_SIGNER_WRONG" });
    assert.deepEqual(await assign(terms), { accepted: true });
    assert.deepEqual(await assign(terms), { accepted: true });
    assert.equal(node.desk.runningJobs().length, 1);
  });

  it("takes no job without a reservation, and none while it drains", async () => {
    const terms = await balancer.terms(node, spec);
    const { job, attempt } = terms.assignment.value;
    await balancer.ask(node, "job.assign", terms);
    await balancer.ask(node, "job.end", { job, attempt, code: "JOB_REPLACED" });
    await assert.rejects(balancer.ask(node, "job.assign", terms), { code: "JOB_RESERVATION_MISSING" });
    node.desk.drain();
    const request = { job, attempt: 2, primitive: "delivery", units: 1 } as const;
    assert.deepEqual(await balancer.ask(node, "job.reserve", request), { granted: false, code: "JOB_DRAINING" });
  });

  it("lists a job that ended while the balancer was away until it has told so", async () => {
    const terms = await balancer.terms(node, spec);
    const job = await node.desk.admit(terms);
    balancer.away = true;
    const missed = once(balancer.events, "missed");
    node.desk.finish(job);
    await missed;
    assert.deepEqual(
      node.desk.runningJobs().map(({ job: id, attempt }) => [id, attempt]),
      [[job.job, 1]],
    );
    assert.equal(node.desk.capacity().deliveryBytesPerSecond.free, node.desk.capacity().deliveryBytesPerSecond.total);
    const closed = node.closed(job.job);
    balancer.away = false;
    await closed;
    assert.equal(balancer.of("job.done").length, 1);
    assert.deepEqual(node.desk.runningJobs(), []);
  });

  it("quotes to nobody but its cluster's account", async () => {
    const request = { job: zeroHash, primitive: "delivery", specHash: zeroHash, maxUnits: 1n } as const;
    const payer = node.address;
    await assert.rejects(balancer.ask(node, "quote.request", { ...request, token: payer, payer }), {
      code: "JOB_PAYER_WRONG",
    });
  });
});
