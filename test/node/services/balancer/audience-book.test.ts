import assert from "node:assert/strict";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { AudienceStore } from "../../../../node/store/sql/audience-store.ts";
import { type EdgeOf, useBalancer } from "../../../support/balancer-scene.ts";
import { startMarket } from "../../../support/fake-market.ts";
import type { FakeNode } from "../../../support/fake-node.ts";

describe("audience of a stream", () => {
  const scene = useBalancer();
  const nowMs = () => scene.market.clock.nowMs();
  const jobOf = ({ terms }: EdgeOf) => terms.assignment.value.job;
  const attemptOf = ({ terms }: EdgeOf) => terms.assignment.value.attempt;
  const served = (watchedMs: number, bytes: number) => ({ watchedMs, bytes });

  async function live() {
    const { id, slug, ingest } = await scene.goLive();
    await scene.market.balancer.play(slug);
    const [one, other] = scene.edgesOf(id) as [EdgeOf, EdgeOf];
    return { id, ingest, one, other };
  }

  /** One more of each edge's viewers is the buyer's agent, where that looks. */
  function say(edge: EdgeOf, audience: ReturnType<FakeNode["audiences"]["get"]>): void {
    edge.node.audiences.set(jobOf(edge), audience!);
    scene.market.hub.beat(edge.node);
  }

  async function pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) await scene.market.clock.advance(1_000);
  }

  const audience = async (id: Hex) => (await scene.market.balancer.views.audiences([id])).get(id)!;
  const totals = async (id: Hex) => {
    const { watchedMs, servedBytes } = await audience(id);
    return [watchedMs, servedBytes];
  };
  const viewers = async (id: Hex) => (await audience(id)).viewers;

  /** The edge's job as another attempt of it runs. */
  async function moved(id: Hex, edge: EdgeOf): Promise<EdgeOf> {
    const find = () => scene.edgesOf(id).find((found) => jobOf(found) === jobOf(edge) && attemptOf(found) > 1);
    await scene.until(() => find() !== undefined);
    return find()!;
  }

  /** As after a crash or a stop: nodes come back with what they do. */
  async function restart(): Promise<void> {
    scene.market = await startMarket(scene.database, { nodes: scene.nodes, clock: scene.market.clock });
    for (const node of scene.nodes) scene.market.hub.join(node);
  }

  it("is nobody's before anybody watches", async () => {
    const { id } = await live();
    await pass(1);
    const none = { viewers: 0, peakViewers: 0, peakAtMs: null, watchedMs: 0n, servedBytes: 0n };
    assert.deepEqual(await audience(id), none);
  });

  it("is the sum over its edges, and its peak that of the sum, with when it was", async () => {
    const { id, one, other } = await live();
    say(one, { viewers: 5, served: served(4_000, 900) });
    say(other, { viewers: 3, served: served(1_000, 100) });
    await pass(1);
    const peak = { peakViewers: 6, peakAtMs: nowMs() };
    assert.deepEqual(await audience(id), { ...peak, viewers: 6, watchedMs: 5_000n, servedBytes: 1_000n });
    // Each edge has its own peak at another time: together they were never so many.
    say(one, { viewers: 2, served: served(5_000, 1_000) });
    say(other, { viewers: 6, served: served(2_000, 200) });
    await pass(1);
    assert.deepEqual(await audience(id), { ...peak, viewers: 6, watchedMs: 7_000n, servedBytes: 1_200n });
    say(other, {});
    await pass(1);
    assert.deepEqual(await audience(id), { ...peak, viewers: 1, watchedMs: 7_000n, servedBytes: 1_200n });
  });

  it("does not count the buyer's agent, for as long as edges count it", async () => {
    const { id, one, other } = await live();
    const buyer = scene.nodes[3];
    say(one, { viewers: 1 });
    say(other, { viewers: 2 });
    await pass(1);
    assert.equal(await viewers(id), 1);
    scene.market.hub.leave(buyer);
    await pass(14);
    assert.deepEqual([await viewers(id), (await audience(id)).peakViewers], [1, 1]);
    say(one, { viewers: 2 });
    await pass(2);
    assert.equal(await viewers(id), 4);
  });

  it("keeps what an edge served that another takes over from, with its last words, and counts nothing twice", async () => {
    const { id, one, other } = await live();
    say(one, { viewers: 4, served: served(1_000, 10_000) });
    await pass(1);
    one.node.audiences.set(jobOf(one), { served: served(1_500, 12_000) });
    await scene.market.hub.ask(one.node, "job.failed", {
      ...{ job: jobOf(one), attempt: 1, code: "DELIVERY_FAILED", sequence: null },
    });
    const next = await moved(id, one);
    assert.notEqual(next.node, one.node);
    say(next, { viewers: 3, served: served(200, 2_000) });
    // Who had it goes on telling of it, and of more.
    const stale = { job: jobOf(one), attempt: 1, primitive: "delivery" as const, stream: id, sequence: null };
    const more = { ...stale, viewers: 9, served: served(9_000, 90_000) };
    scene.market.hub.beat(one.node, 1, [more]);
    await pass(1);
    assert.deepEqual(await audience(id), {
      ...{ viewers: 2, peakViewers: 3, peakAtMs: nowMs() - 1_000 },
      ...{ watchedMs: 1_700n, servedBytes: 14_000n },
    });
    say(next, { viewers: 3, served: served(300, 3_000) });
    say(other, { served: served(1, 1) });
    assert.deepEqual(await totals(id), [1_801n, 15_001n]);
    // It was away when it was told to end, as far as it knows, and is told again.
    one.node.audiences.set(jobOf(one), { served: served(1_600, 12_500) });
    scene.market.hub.join(one.node, one.node.hello([...one.node.running(), stale]));
    await pass(1);
    assert.deepEqual(await totals(id), [1_901n, 15_501n]);
  });

  it("goes on growing when a node has begun anew, from nothing", async () => {
    const { id, one } = await live();
    say(one, { viewers: 2, served: served(1_000, 10_000) });
    one.node.jobs.clear();
    one.node.audiences.clear();
    scene.market.hub.join(one.node);
    const next = await moved(id, one);
    say(next, { viewers: 2, served: served(400, 4_000) });
    assert.deepEqual(await totals(id), [1_400n, 14_000n]);
  });

  it("is on disk after seconds and never for a heartbeat, and a balancer that was killed counts on from it", async () => {
    const { id, one, other } = await live();
    const { balancer: killed } = scene.market;
    const stored = async () => (await new AudienceStore(scene.database).find([id])).get(id);
    say(one, { viewers: 4, served: served(1_000, 10_000) });
    say(other, { viewers: 2, served: served(500, 5_000) });
    await pass(2);
    const peak = { peakViewers: 4, peakAtMs: nowMs() - 1_000 };
    assert.equal(await stored(), undefined);
    await pass(8);
    await scene.until(async () => (await stored()) !== undefined);
    assert.deepEqual(await stored(), { ...peak, watchedMs: 1_500n, servedBytes: 15_000n });

    await restart();
    await killed.stop();
    assert.deepEqual(await audience(id), { ...peak, viewers: 0, watchedMs: 1_500n, servedBytes: 15_000n });
    say(one, { viewers: 3, served: served(1_000, 10_000) });
    say(other, { viewers: 2, served: served(600, 6_000) });
    await pass(1);
    assert.deepEqual(await audience(id), { ...peak, viewers: 3, watchedMs: 1_600n, servedBytes: 16_000n });
  });

  it("stays when the stream has ended, with the last words of its edges and nobody there", async () => {
    const { id, ingest, one, other } = await live();
    say(one, { viewers: 4, served: served(1_000, 10_000) });
    say(other, { viewers: 2, served: served(500, 5_000) });
    await pass(1);
    const peak = { peakViewers: 4, peakAtMs: nowMs() };
    one.node.audiences.set(jobOf(one), { served: served(1_100, 11_000) });
    other.node.audiences.set(jobOf(other), { served: served(550, 5_500) });
    await scene.market.hub.ask(ingest, "publish.end", { stream: id, clean: true, lastSequence: 3, frames: 200 });
    const whole = { ...peak, viewers: 0, watchedMs: 1_650n, servedBytes: 16_500n };
    assert.deepEqual(await audience(id), whole);
    await scene.market.balancer.stop();
    await restart();
    assert.deepEqual(await audience(id), whole);
  });

  it("believes no node that takes back what it told, tells of another's edge, or of more than can be", async () => {
    const { id, one, other } = await live();
    say(one, { viewers: 2, served: served(2_000, 20_000) });
    say(one, { served: served(1_000, 30_000) });
    assert.deepEqual(await totals(id), [2_000n, 30_000n]);
    say(one, {});
    say(one, { served: served(2_001, 30_001) });
    assert.deepEqual(await totals(id), [2_001n, 30_001n]);

    const more = { served: served(5_000, 50_000) };
    const edge = { job: jobOf(one), attempt: 1, primitive: "delivery" as const, stream: id, sequence: null };
    scene.market.hub.beat(other.node, 1, [{ ...edge, ...more }]);
    // It comes with the job of another, is told to end it, and has last words to say.
    other.node.audiences.set(jobOf(one), more);
    scene.market.hub.join(other.node, other.node.hello([...other.node.running(), edge]));
    await pass(1);
    assert.ok((other.node.told("job.end") as { job: Hex }[]).some(({ job }) => job === jobOf(one)));
    assert.deepEqual(await totals(id), [2_001n, 30_001n]);

    const jobs = await scene.market.balancer.views.jobs(scene.nodes[3].address, id);
    const { startedAtMs } = jobs.find(({ job }) => job.id === jobOf(one))!.attempts[0]!;
    const ageMs = nowMs() - startedAtMs;
    say(one, { viewers: 2 ** 32 - 1, served: served(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER) });
    const mostMs = 65_536n * BigInt(ageMs + 60_000);
    // Four times what it offers to send, a gigabyte a second.
    const mostBytes = 4n * 10n ** 6n * BigInt(ageMs + 60_000);
    assert.deepEqual(await totals(id), [mostMs, mostBytes]);
    await pass(1);
    assert.equal(await viewers(id), 65_536);
  });
});
