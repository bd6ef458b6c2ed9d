import assert from "node:assert/strict";
import { Lifecycle, type NamedPart } from "@leat/node/kernel/lifecycle.ts";

function recordParts(names: string[], log: string[], failing: { start?: string; stop?: string } = {}): NamedPart[] {
  return names.map((name) => ({
    name,
    part: {
      start: async () => {
        log.push(`+${name}`);
        if (failing.start === name) throw new Error(`start ${name}`);
      },
      stop: async () => {
        log.push(`-${name}`);
        if (failing.stop === name) throw new Error(`stop ${name}`);
      },
    },
  }));
}

describe("kernel/lifecycle", () => {
  it("starts in list order and stops in reverse, once", async () => {
    const log: string[] = [];
    const lifecycle = new Lifecycle(recordParts(["a", "b", "c"], log));
    await lifecycle.start();
    await Promise.all([lifecycle.stop(), lifecycle.stop()]);
    assert.deepEqual(log, ["+a", "+b", "+c", "-c", "-b", "-a"]);
  });

  it("stops what was up when a start fails, and throws that failure", async () => {
    const log: string[] = [];
    const lifecycle = new Lifecycle(recordParts(["a", "b", "c"], log, { start: "b" }));
    await assert.rejects(lifecycle.start(), /start b/);
    assert.deepEqual(log, ["+a", "+b", "-b", "-a"]);
    await lifecycle.stop();
    assert.equal(log.length, 4);
  });

  it("stops before start, and then refuses to start its parts", async () => {
    const log: string[] = [];
    const lifecycle = new Lifecycle(recordParts(["a"], log));
    await lifecycle.stop();
    await assert.rejects(lifecycle.start(), { code: "KERNEL_STOPPED_WHILE_STARTING" });
    assert.deepEqual(log, []);
  });

  it("does not start the rest when it is stopped while starting", async () => {
    const log: string[] = [];
    const gate = Promise.withResolvers<void>();
    const slow = { name: "slow", part: { start: () => gate.promise, stop: async () => void log.push("-slow") } };
    const lifecycle = new Lifecycle([slow, ...recordParts(["b"], log)]);
    const starting = assert.rejects(lifecycle.start(), { code: "KERNEL_STOPPED_WHILE_STARTING" });
    const stopping = lifecycle.stop();
    gate.resolve();
    await Promise.all([starting, stopping]);
    assert.deepEqual(log, ["-slow"]);
  });

  it("stops every part when one fails to stop, and says so", async () => {
    const log: string[] = [];
    const lifecycle = new Lifecycle(recordParts(["a", "b"], log, { stop: "b" }));
    await lifecycle.start();
    await assert.rejects(lifecycle.stop(), /stop b/);
    assert.deepEqual(log, ["+a", "+b", "-b", "-a"]);
  });
});
