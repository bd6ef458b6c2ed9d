import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { readPayees } from "../../scripts/network/channels.ts";
import type { NodeName } from "../../scripts/network/layout.ts";
import { assertPaid, assertWhole, range, settle } from "../support/e2e-facts.ts";
import { TestNetwork, testLadder } from "../support/e2e-network.ts";
import { judgeMaster } from "../support/hls-judge.ts";

const leat = join(import.meta.dirname, "../../node/cli/main.ts");
const skewed = pathToFileURL(join(import.meta.dirname, "../support/faults/skewed-clock.ts")).href;
const withClock = (skewMs: number) => ["--import", `${skewed}?ms=${skewMs}`, leat];
const fps = 30;
const durationS = 6;
const inputs = [{ pattern: { width: 320, height: 180, fps, durationS } }];
const ladder = testLadder.filter(({ name }) => name === "180p");

/** To the balancer, the chain and the viewers. Whoever sells has its own half of the way. */
const skewsMs: Partial<Record<NodeName, number>> = {
  "node-a": 600_000,
  "node-b": -600_000,
  "node-c": 600_000,
  buyer: -600_000,
};
const roles: Partial<Record<NodeName, string[]>> = {
  "node-a": ["ingest"],
  "node-b": ["transcode"],
  "node-c": ["delivery"],
};

describe("a network whose clocks are ten minutes apart either way", function () {
  this.timeout(120_000);
  let network: TestNetwork;

  before(async () => {
    network = await TestNetwork.start({
      programOf: (name) => [...withClock(skewsMs[name] ?? 0), "start"],
      // What a node signs stands for as short as its settings allow: by the balancer's clock some of it is long over.
      adjust: (name, config) =>
        roles[name] === undefined
          ? config
          : {
              ...config,
              node: { ...(config.node as object), roles: roles[name] },
              sales: { ...(config.sales as object), offerValidMs: 60_000 },
              jobs: { quoteValidMs: 60_000 },
            },
    });
  });
  after(() => network?.stop());

  it("publishes, plays and pays as if they were right, and tells each node of its clock", async () => {
    const stream = await network.publish({ ladder, inputs });
    const { primary } = await stream.playback(1);
    const viewing = stream.view(primary.hls);
    await stream.publisher.done;
    await viewing;
    assertWhole(await judgeMaster(primary.hls), ["180p"], range(0, fps * durationS));
    await settle(network, stream);
    await assertPaid(network);
    const payees = await readPayees(network);
    for (const name of Object.keys(roles) as NodeName[]) {
      const channel = payees.find(({ payee }) => payee === network.key(name).address);
      assert.ok(BigInt(channel?.collected ?? 0) > 0n, name);
    }
    for (const [name, skewMs] of Object.entries(skewsMs) as [NodeName, number][]) {
      assert.equal(await network.countLogged(name, "Find clock far from the balancer's"), 1, name);
      const text = await (await fetch(`${network.httpUrl(name)}/metrics`)).text();
      const seconds = Number(/^leat_session_clock_ahead_seconds (\S+)$/m.exec(text)?.[1]);
      assert.equal(Math.round(seconds / 60), skewMs / 60_000, name);
    }
  });

  it("tells a buyer whose request is refused how far its clock is off", async () => {
    const file = join(network.place("buyer").dir, "config.json");
    const told = await new Promise<string>((resolve) => {
      execFile(process.execPath, [...withClock(600_000), "stream", "list", "--config", file], (_error, _out, err) =>
        resolve(err),
      );
    });
    assert.match(told, /^API_REFUSED: .*\(AUTH_EXPIRED, 401\): .* (600|599) s ahead of this server's time/);
  });
});
