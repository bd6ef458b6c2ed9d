import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import {
  ProcessLoad,
  type ProcessStat,
  parseStat,
  readPssBytes,
  readTreePssBytes,
  readTreeStats,
  selectTree,
} from "@leat/node/kernel/process-load.ts";
import fc from "fast-check";
import { ManualClock } from "../../support/manual-clock.ts";

const stat = (pid: number, parent: number, ticks: number): ProcessStat => ({ pid, parent, ticks, rssPages: 1 });

describe("kernel/process-load", () => {
  it("measures the tree over its capacity and leaves the rest of the machine out", async () => {
    const clock = new ManualClock();
    let stats = [stat(10, 1, 100), stat(11, 10, 50), stat(99, 1, 1_000)];
    const load = new ProcessLoad({ capacityCores: 2 }, { clock, rootPid: 10, readStats: async () => stats });
    assert.deepEqual(await load.sample(), { load: 0, cpuSeconds: 1.5, processes: 2, rssBytes: 8_192 });
    await clock.advance(1_000);
    stats = [stat(10, 1, 150), stat(11, 10, 100), stat(99, 1, 9_000)];
    assert.equal((await load.sample()).load, 0.5);
  });

  it("tells what it measured last where a new measurement is slow, and measures once at a time", async () => {
    const clock = new ManualClock();
    let ticks = 0;
    let reading = Promise.resolve();
    let reads = 0;
    const readStats = async () => {
      reads += 1;
      await reading;
      return [stat(10, 1, ticks)];
    };
    const load = new ProcessLoad({ capacityCores: 1 }, { clock, rootPid: 10, readStats });
    assert.equal(await load.newest(200), 0);
    await clock.advance(1_000);
    ticks = 50;
    assert.equal(await load.newest(200), 0.5);
    const { promise, resolve } = Promise.withResolvers<void>();
    reading = promise;
    const two = Promise.all([load.newest(200), load.newest(200)]);
    ticks = 100;
    await clock.advance(200);
    assert.deepEqual(await two, [0.5, 0.5]);
    await clock.advance(300);
    resolve();
    assert.equal(await load.newest(200), 1);
    assert.equal(reads, 3);
  });

  it("keeps the time of a child that ended", async () => {
    const clock = new ManualClock();
    let stats = [stat(10, 1, 0), stat(11, 10, 300)];
    const load = new ProcessLoad({ capacityCores: 1 }, { clock, rootPid: 10, readStats: async () => stats });
    await load.sample();
    await clock.advance(1_000);
    stats = [stat(10, 1, 20)];
    assert.equal((await load.sample()).load, 0);
    await clock.advance(1_000);
    stats = [stat(10, 1, 340)];
    const sample = await load.sample();
    assert.ok(Math.abs(sample.load - 0.4) < 1e-9);
  });

  it("reads a line whose name holds spaces and brackets", () => {
    const line = `42 (a) b (c) S 7 ${"0 ".repeat(9)}1 2 3 4 ${"0 ".repeat(6)}555 0`;
    assert.deepEqual(parseStat(line), { pid: 42, parent: 7, ticks: 10, rssPages: 555 });
    assert.equal(parseStat(""), undefined);
  });

  it("finds each descendant once in any forest", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 40 }), (picks) => {
        const stats = [stat(1, 0, 0), ...picks.map((pick, at) => stat(at + 2, (pick % (at + 1)) + 1, 0))];
        const tree = selectTree(stats, 1).map((one) => one.pid);
        assert.equal(new Set(tree).size, tree.length);
        assert.equal(tree.length, stats.length);
      }),
    );
  });

  // /proc is Linux.
  const itOnLinux = process.platform === "linux" ? it : () => {};

  itOnLinux("sees a real child and the memory of both", async () => {
    const child = fork(
      "-e",
      ["globalThis.held = Buffer.alloc(2e8, 1); process.send('up'); process.on('message', () => {})"],
      {
        execArgv: [],
        execPath: process.execPath,
      },
    );
    try {
      await once(child, "message");
      const sample = await new ProcessLoad({ capacityCores: 1 }).sample();
      assert.ok(sample.processes >= 2);
      const seen = (await readTreeStats(process.pid)).map(({ pid }) => pid);
      assert.ok(seen.includes(child.pid!) && !seen.includes(process.ppid));
      assert.ok(sample.cpuSeconds > 0);
      const own = (await readPssBytes(process.pid)) ?? 0;
      // Its own may be collected meanwhile.
      assert.ok((await readTreePssBytes(process.pid)) > own + 1e8);
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  });
});
