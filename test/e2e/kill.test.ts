import assert from "node:assert/strict";
import { readPayees, type ToldChannel } from "../../scripts/network/channels.ts";
import type { NodeName } from "../../scripts/network/layout.ts";
import { assertPaid, assertWhole, numbersOf, range, settle } from "../support/e2e-facts.ts";
import { TestNetwork, testLadder } from "../support/e2e-network.ts";
import { nodeAt, waitFor, whenListed } from "../support/e2e-stream.ts";
import { judgeMaster } from "../support/hls-judge.ts";

const fps = 30;
const pattern = (durationS: number) => ({ pattern: { width: 640, height: 360, fps, durationS } });
const names = testLadder.map(({ name }) => name);
/** The one that a lost ingest node had begun, and the one before where its transcoder had no whole part of it yet. */
const lostSegments = 2;

describe("a network of which a process is killed", function () {
  this.timeout(180_000);
  let network: TestNetwork;

  before(async () => {
    network = await TestNetwork.start({
      // So rarely that a node which is killed has something that is not collected yet.
      adjust: (_, config) => ({ ...config, settlement: { ...Object(config.settlement), lookEveryMs: 5_000 } }),
    });
  });

  after(() => network?.stop());

  // The next test finds everybody there, also where this one failed.
  afterEach(async () => {
    for (const name of ["balancer", "node-a", "node-b", "node-c", "buyer"] as const) {
      if (!network.pids.has(name)) await network.startNode(name);
    }
  });

  it("loses and doubles no frame when it is a transcoder, which is paid when it returns", async () => {
    const stream = await network.publish({ ladder: testLadder, inputs: [pattern(16)], at: ["node-a"] });
    const { primary, fallback } = await stream.playback();
    await whenListed(primary.hls, 1);
    const killed = await stream.nodeOf("h264");
    const edge = [primary.hls, fallback!.hls].find((hls) => nodeAt(network, hls) !== killed)!;
    const viewing = stream.view(edge);
    const before = await channelOf(killed);
    assert.ok(BigInt(before.vouchered) > BigInt(before.collected), `${before.vouchered} of which ${before.collected}`);
    await network.killNode(killed);
    assert.equal((await stream.publisher.done).videoFrames, 16 * fps);
    await viewing;
    assertWhole(await judgeMaster(edge), names, range(0, 16 * fps));
    const h264 = (await stream.jobs()).find(({ part }) => part === "h264")!;
    assert.equal(h264.attempts.length, 2);
    assert.notEqual(h264.attempts[1]!.node, h264.attempts[0]!.node);
    await network.startNode(killed);
    await settle(network, stream);
    await assertPaid(network);
    const { collected } = await channelOf(killed);
    assert.ok(BigInt(collected) >= BigInt(before.vouchered), `${collected} of ${before.vouchered}`);
  });

  it("goes on at another node after one discontinuity when it is the ingest node", async () => {
    const stream = await network.publish({
      ladder: testLadder,
      inputs: [pattern(20)],
      at: ["node-a", "node-b"],
      publish: { reconnect: true },
    });
    const { primary, fallback } = await stream.playback();
    const edge = [primary.hls, fallback!.hls].find((hls) => nodeAt(network, hls) !== "node-a")!;
    await whenListed(edge, 1);
    const viewing = stream.view(edge);
    // Encoders that just began are behind their source: what they did not make yet is lost with it.
    await waitFor("encoders that keep up", 20_000, async () => {
      const jobs = (await stream.jobs()).filter(({ primitive }) => primitive === "transcode");
      return jobs.every(({ attempts }) => attempts.some(({ checked }) => checked > 1)) || undefined;
    });
    await network.killNode("node-a");
    const { connections } = await stream.publisher.done;
    await viewing;
    const [lost, resumed] = connections;
    assert.deepEqual([connections.length, resumed?.urlIndex], [2, 1]);
    const rungs = await judgeMaster(edge);
    assert.deepEqual(rungs.map(({ name }) => name).sort(), [...names].sort());
    // Of the frame in which it was interrupted a publisher cannot tell whether it arrived.
    const goesOnAt = lost!.videoFrames + resumed!.skippedBefore + 1;
    // Of the segment that the lost node had begun a rung has its whole parts, or lacks it; what two have is the same.
    const all = new Map<number, readonly number[]>();
    for (const [sequence, own] of rungs.flatMap(({ segments }) => [...segments])) {
      if (own.length > (all.get(sequence)?.length ?? 0)) all.set(sequence, own);
    }
    const short = new Set<number>();
    for (const rung of rungs) {
      const numbers = numbersOf(rung);
      for (const [sequence, own] of rung.segments) {
        const longest = all.get(sequence)!;
        assert.deepEqual(own, longest.slice(0, own.length), `${rung.name} ${sequence}`);
        if (own.length < longest.length) short.add(sequence);
      }
      assert.equal(rung.discontinuities, 1, rung.name);
      assert.ok(rung.gaps <= lostSegments, `${rung.name}: ${rung.gaps} gaps`);
      const breaks = numbers.flatMap((number, at) => (at > 0 && number !== numbers[at - 1]! + 1 ? [at] : []));
      assert.equal(breaks.length, 1, `${rung.name} breaks at ${breaks}`);
      assert.deepEqual([numbers[0], numbers.at(-1)], [0, 20 * fps - 1], rung.name);
      // Before the break a rung lacks what its encoder had not made yet, behind it nothing that was published.
      const [last, next] = [numbers[breaks[0]! - 1]!, numbers[breaks[0]!]!];
      assert.ok(last < lost!.videoFrames && next <= goesOnAt, `${rung.name}: ${last} to ${next}, not ${goesOnAt}`);
    }
    assert.ok(short.size <= 1, `short: ${[...short]}`);
    assert.ok(Math.max(...all.keys()) + 1 - all.size <= lostSegments);
    assert.equal(stream.created.playbackUrl, `/play/${stream.created.slug}`);
    assert.equal((await stream.playback(1)).state, "ended");
    await network.startNode("node-a");
    await settle(network, stream);
    await assertPaid(network);
  });

  it("keeps segments flowing when it is the balancer, which adopts the jobs when it returns", async () => {
    const stream = await network.publish({ ladder: testLadder, inputs: [pattern(20)], at: ["node-a"] });
    const { primary } = await stream.playback();
    await whenListed(primary.hls, 1);
    const viewing = stream.view(primary.hls);
    const before = attemptsOf(await stream.jobs());
    await network.killNode("balancer");
    // Two more segments than there were: nobody needs it for them.
    await whenListed(primary.hls, 4);
    await network.startNode("balancer");
    assert.equal((await stream.publisher.done).videoFrames, 20 * fps);
    await viewing;
    assertWhole(await judgeMaster(primary.hls), names, range(0, 20 * fps));
    await settle(network, stream);
    assert.deepEqual(attemptsOf(await stream.jobs()), before);
    await assertPaid(network);
  });

  /** What the cluster owes the node, as the node tells it: a voucher that it tells of is acknowledged. */
  async function channelOf(name: NodeName): Promise<ToldChannel> {
    return (await readPayees(network)).find(({ payee }) => payee === network.key(name).address)!;
  }
});

function attemptsOf(jobs: readonly { part: string; attempts: readonly { attempt: number; node: string }[] }[]) {
  return jobs.map(({ part, attempts }) => [part, attempts.map(({ attempt, node }) => `${attempt} ${node}`)]).sort();
}
