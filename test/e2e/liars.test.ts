import assert from "node:assert/strict";
import { join } from "node:path";
import { readPayees } from "../../scripts/network/channels.ts";
import type { NodeName } from "../../scripts/network/layout.ts";
import { assertPaid, assertWhole, range, settle } from "../support/e2e-facts.ts";
import { TestNetwork, testLadder } from "../support/e2e-network.ts";
import { nodeAt, type TestStream, waitFor } from "../support/e2e-stream.ts";
import { judgeMaster } from "../support/hls-judge.ts";
import type { Lie } from "../support/lies.ts";

const honest = [join(import.meta.dirname, "../../node/cli/main.ts"), "start"];
const liar = join(import.meta.dirname, "../support/lying-node.ts");
const fps = 30;
const durationS = 8;
const frames = range(0, fps * durationS);
const pattern = { width: 640, height: 360, fps, durationS };
const inputs = [{ pattern }];
const ladder = testLadder.filter(({ codec }) => codec === "h264");
const names = ladder.map(({ name }) => name);

const little = { transcodePixelsPerSecond: 12_000_000, deliveryBytesPerSecond: 8_000_000 };
const much = { transcodePixelsPerSecond: 10_000_000_000, deliveryBytesPerSecond: 1_000_000_000 };

describe("a network with a node that lies", function () {
  this.timeout(120_000);
  let network: TestNetwork;
  let lie: Lie = "none";

  before(async () => {
    // Tickets go by capacity: with so much more of it, node C is drawn alone, whatever became of its score.
    network = await TestNetwork.start({
      programOf: (name) => (name === "node-c" ? [liar, lie] : honest),
      adjust: (name, config) => {
        const node = config.node as object;
        if (name === "node-a" || name === "node-b") return { ...config, jobs: { capacity: little } };
        if (name !== "node-c") return config;
        const roles = lie === "altered-parts" ? ["delivery"] : ["transcode"];
        return { ...config, node: { ...node, roles }, jobs: { capacity: much } };
      },
    });
  });

  after(() => network?.stop());

  it("gives it work and pays it while it is honest", async () => {
    const stream = await play();
    assert.deepEqual(await attemptsOf(stream, "h264"), [["node-c", true, false]]);
    assert.ok(BigInt((await channelOf("node-c")).collected) > 0n);
  });

  for (const [next, code] of [
    ["wrong-size", "CHECK_SIZE"],
    ["few-frames", "CHECK_FRAMES"],
    ["other-bytes", "CHECK_HASH"],
  ] as const) {
    it(`drops a transcoder with ${next} before pay, and plays the stream whole from another`, async () => {
      await restart(next);
      const before = await channelOf("node-c");
      const stream = await play();
      assert.deepEqual(await attemptsOf(stream, "h264"), [
        ["node-c", false, true],
        ["node-b", true, false],
      ]);
      assert.equal(await network.countLogged("node-a", `"code":"${code}","msg":"Check of segment failed"`), 1);
      const after = await channelOf("node-c");
      assert.deepEqual([after.vouchered, after.collected], [before.vouchered, before.collected]);
    });
  }

  it("drops an edge that alters bytes before pay, and plays the stream whole from others", async () => {
    await restart("altered-parts");
    const before = await channelOf("node-c");
    // Its first segment tells, some seconds after it was shown: by then nobody may have gone home.
    const longer = { ...pattern, durationS: 2 * durationS };
    const stream = await network.publish({ ladder, inputs: [{ pattern: longer }], at: ["node-a"] });
    const first = await stream.playback();
    const edges = [first.primary.hls, first.fallback!.hls];
    const other = edges.find((hls) => nodeAt(network, hls) !== "node-c")!;
    assert.ok(edges.some((hls) => nodeAt(network, hls) === "node-c"));
    const viewing = stream.view(other);
    const moved = await waitFor("the edge to be dropped", 30_000, async () => {
      const { primary, fallback } = await stream.playback();
      const now = [primary.hls, fallback!.hls].map((hls) => nodeAt(network, hls));
      return now.includes("node-c") ? undefined : now;
    });
    assert.deepEqual(moved.sort(), ["node-a", "node-b"]);
    await stream.publisher.done;
    await viewing;
    assertWhole(await judgeMaster(other), names, range(0, fps * longer.durationS));
    await settle(network, stream);
    await assertPaid(network);
    const jobs = (await stream.jobs()).filter(({ primitive }) => primitive === "delivery");
    const own = jobs.flatMap(({ attempts }) => attempts).filter(({ node }) => node === network.key("node-c").address);
    assert.deepEqual(
      own.map(({ failed, endCode }) => [failed > 0, endCode]),
      [[true, "CHECK_FAILED"]],
    );
    const after = await channelOf("node-c");
    assert.deepEqual([after.vouchered, after.collected], [before.vouchered, before.collected]);
  });

  /** Publishes, plays both edges whole, judges one and waits until all is paid. */
  async function play(): Promise<TestStream> {
    const stream = await network.publish({ ladder, inputs, at: ["node-a"] });
    const { primary, fallback } = await stream.playback();
    const viewing = [primary, fallback!].map(({ hls }) => stream.view(hls));
    assert.equal((await stream.publisher.done).videoFrames, frames.length);
    await Promise.all(viewing);
    assertWhole(await judgeMaster(primary.hls), names, frames);
    await settle(network, stream);
    await assertPaid(network);
    return stream;
  }

  async function restart(next: Lie): Promise<void> {
    lie = next;
    const greeting = `"node":"${network.key("node-c").address}","roles"`;
    const before = await network.countLogged("balancer", greeting);
    await network.killNode("node-c");
    await network.startNode("node-c");
    // What is placed before goes to others.
    await waitFor("the balancer to know of node C", 20_000, async () => {
      return (await network.countLogged("balancer", greeting)) > before || undefined;
    });
  }

  /** Who had a job, in order: whether its work passed, and whether it was found bad. */
  async function attemptsOf(stream: TestStream, part: string) {
    const { attempts } = (await stream.jobs()).find((job) => job.part === part)!;
    return attempts.map(({ node, checked, failed }) => [network.nameOf(node), checked > failed, failed > 0]);
  }

  async function channelOf(name: NodeName) {
    const own = (await readPayees(network)).find(({ payee }) => payee === network.key(name).address);
    return { vouchered: own?.vouchered ?? "0", collected: own?.collected ?? "0" };
  }
});
