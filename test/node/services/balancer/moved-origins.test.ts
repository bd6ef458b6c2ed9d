import assert from "node:assert/strict";
import { isRunning } from "@leat/node/services/balancer/job-book.ts";
import { balancerOptions } from "@leat/node/services/balancer/options.ts";
import { StreamProgress } from "@leat/node/services/balancer/stream-progress.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { JobTerms } from "@leat/sdk/protocol/job.ts";
import type { BalancerRequest } from "../../../../node/wire/session/messages.ts";
import { source, useBalancer } from "../../../support/balancer-scene.ts";
import { defaultsOf } from "../../../support/defaults.ts";
import type { FakeNode } from "../../../support/fake-node.ts";

const options = defaultsOf(balancerOptions);

describe("jobs of a stream whose source moves to another node", () => {
  const scene = useBalancer();

  async function live() {
    const created = await scene.goLive();
    await scene.market.balancer.play(created.slug);
    const edges = scene.edgesOf(created.id);
    assert.equal(edges.length, 2);
    return { ...created, edges };
  }

  /** Its publisher comes to the second node, which takes it in. */
  async function move({ id, streamKey }: { id: Hex; streamKey: string }): Promise<void> {
    await scene.market.clock.advance(options.leaseHoldMs);
    await scene.publish(scene.nodes[1], streamKey);
    await scene.market.hub.ask(scene.nodes[1], "source.ready", { stream: id, source, partTargetMs: 250 });
  }

  /** What a node that has taken a job knows of where its stream comes in: what it hears before that is lost. */
  function watchOrigins(): ReadonlyMap<Hex, Address> {
    const known = new Map<Hex, Address>();
    for (const node of scene.nodes) {
      const { answer } = node;
      node.answer = async (method, body) => {
        const answered = await answer.call(node, method, body);
        if (method === "job.assign") {
          const { assignment, spec } = body as JobTerms;
          if (spec.primitive === "delivery") known.set(assignment.value.job, spec.origin.node);
        }
        if (method === "job.update") {
          const { job, origin } = body as BalancerRequest<"job.update">;
          if (origin !== undefined && known.has(job)) known.set(job, origin.node);
        }
        return answered;
      };
    }
    return known;
  }

  /** Holds the job's assignment up on its way to whichever node gets it next. */
  function holdUpAssignment(job: Hex) {
    const [reached, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    for (const node of scene.nodes) {
      const { answer } = node;
      node.answer = async (method, body) => {
        if (method === "job.assign" && (body as JobTerms).assignment.value.job === job) {
          reached.resolve();
          await goOn.promise;
        }
        return answer.call(node, method, body);
      };
    }
    return { reached: reached.promise, goOn: goOn.resolve };
  }

  /** Holds the job up when a node has made a price, and what it may cost is put into the books. */
  function holdUpBooks(job: Hex) {
    const [reached, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { payer } = scene.market.books;
    const { openJob } = payer;
    payer.openJob = async (terms) => {
      if (terms.job === job) {
        reached.resolve();
        await goOn.promise;
      }
      return openJob(terms);
    };
    return { reached: reached.promise, goOn: goOn.resolve };
  }

  async function fail({ node, terms }: { node: FakeNode; terms: JobTerms }): Promise<Hex> {
    const { job, attempt } = terms.assignment.value;
    node.jobs.delete(job);
    await scene.market.hub.ask(node, "job.failed", { job, attempt, code: "CREDIT_EXHAUSTED", sequence: null });
    return job;
  }

  /** Another node makes it of what comes in there, from where that begins. */
  async function beginsAtSecond(stream: Hex, job: Hex): Promise<void> {
    const found = () => scene.transcoders(stream).find(({ assignment }) => assignment.value.job === job);
    await scene.until(async () => {
      await scene.market.clock.advance(options.placeRetryMs);
      return found() !== undefined;
    });
    const { spec, assignment } = found()!;
    assert.equal(spec.primitive === "transcode" && spec.origin.node, scene.nodes[1].address);
    assert.equal(assignment.value.node, scene.nodes[2].address);
  }

  it("reach edges there that are given the job meanwhile", async () => {
    const stream = await live();
    const known = watchOrigins();
    const { job } = stream.edges[0]!.terms.assignment.value;
    const { reached, goOn } = holdUpAssignment(job);
    await fail(stream.edges[0]!);
    await reached;
    await move(stream);
    goOn();
    await scene.until(() => known.get(job) === scene.nodes[1].address);
    const running = scene.edgesOf(stream.id).find(({ terms }) => terms.assignment.value.job === job)!;
    assert.equal(running.terms.assignment.value.attempt, 2);
  });

  it("are named at once to edges that are in neither book yet", async () => {
    const stream = await live();
    const { job } = stream.edges[0]!.terms.assignment.value;
    const { reached, goOn } = holdUpBooks(job);
    await fail(stream.edges[0]!);
    await reached;
    await move(stream);
    goOn();
    const found = () => scene.edgesOf(stream.id).find(({ terms }) => terms.assignment.value.job === job)?.terms;
    await scene.until(() => found() !== undefined);
    const { spec } = found()!;
    assert.equal(spec.primitive === "delivery" && spec.origin.node, scene.nodes[1].address);
  });

  it("begin there where a transcoder's next segment is still looked for meanwhile", async () => {
    const stream = await live();
    const [terms] = scene.transcoders(stream.id) as [JobTerms];
    const { job } = terms.assignment.value;
    const { nextSequence } = StreamProgress.prototype;
    const [reached, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    StreamProgress.prototype.nextSequence = async function (live) {
      const found = await nextSequence.call(this, live);
      // When it ended that was looked for too.
      if (live.row.id !== job || isRunning(live)) return found;
      reached.resolve();
      await goOn.promise;
      return found;
    };
    try {
      const failing = fail({ node: scene.ownerOf(terms), terms });
      await reached.promise;
      await move(stream);
      goOn.resolve();
      await failing;
    } finally {
      StreamProgress.prototype.nextSequence = nextSequence;
      goOn.resolve();
    }
    await beginsAtSecond(stream.id, job);
  });

  it("are told to an edge until it has heard", async () => {
    const stream = await live();
    const [{ node, terms }] = stream.edges as [(typeof stream.edges)[0]];
    const heard = () =>
      (node.told("job.update") as BalancerRequest<"job.update">[]).filter(
        ({ job, origin }) => job === terms.assignment.value.job && origin?.node === scene.nodes[1].address,
      ).length;
    node.refusals.set("job.update", "WIRE_CALL_TIMEOUT");
    await move(stream);
    const before = heard();
    assert.ok(before > 0);
    node.refusals.clear();
    await scene.market.clock.advance(options.placeRetryMs);
    await scene.until(() => heard() === before + 1);
    await scene.market.clock.advance(3 * options.placeRetryMs);
    assert.equal(heard(), before + 1);
  });

  it("are told to an edge that was away when it comes back", async () => {
    const stream = await live();
    const { node, terms } = stream.edges.find((edge) => edge.node !== scene.nodes[1])!;
    const { job } = terms.assignment.value;
    const known = () =>
      (node.told("job.update") as BalancerRequest<"job.update">[]).findLast((told) => told.job === job)?.origin?.node;
    await scene.market.clock.advance(options.leaseHoldMs);
    await scene.publish(scene.nodes[1], stream.streamKey);
    scene.market.hub.leave(node);
    const ready = { stream: stream.id, source, partTargetMs: 250 };
    await scene.market.hub.ask(scene.nodes[1], "source.ready", ready);
    assert.equal(known(), undefined);
    scene.market.hub.join(node, node.hello(node.running()));
    await scene.until(() => known() === scene.nodes[1].address);
  });

  it("begin anew there where a transcoder is asked meanwhile", async () => {
    const stream = await live();
    const [terms] = scene.transcoders(stream.id) as [JobTerms];
    const { job } = terms.assignment.value;
    const { reached, goOn } = holdUpBooks(job);
    await fail({ node: scene.ownerOf(terms), terms });
    await reached;
    await move(stream);
    goOn();
    await beginsAtSecond(stream.id, job);
  });
});
