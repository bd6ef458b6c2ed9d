import assert from "node:assert/strict";
import { runSuite, type Suite } from "../../../scripts/lib/run-suite.ts";

async function run(script: string, limits: Partial<Suite> = {}) {
  let printed = "";
  const suite: Suite = {
    name: "sample",
    command: [process.execPath, "-e", script],
    counted: true,
    limitMs: 60_000,
    silenceMs: 60_000,
    ...limits,
  };
  const count = await runSuite(suite, process.cwd(), (text) => {
    printed += text;
  });
  return { count, printed };
}

describe("scripts/run-suite", () => {
  it("passes the output on and counts it", async () => {
    const { count, printed } = await run("console.log('  3 passing (1ms)'); console.error('noise')");
    assert.deepEqual(count, { passed: 3, failed: 0, skipped: 0 });
    assert.match(printed, /3 passing/);
    assert.match(printed, /noise/);
  });

  it("kills a suite that never ends, says so and counts a failure", async () => {
    const script = "console.log('  3 passing (1ms)'); setInterval(() => {}, 1000)";
    const { count, printed } = await run(script, { limitMs: 300 });
    assert.equal(count.failed, 1);
    assert.match(printed, /sample hangs/);
  });

  it("kills a silent suite with the process that it started", async () => {
    const script =
      "const c = require('node:child_process').spawn('sleep', ['1000']); console.log('child ' + c.pid); setInterval(() => {}, 1000)";
    const { count, printed } = await run(script, { silenceMs: 300 });
    assert.equal(count.failed, 1);
    const pid = Number(/child (\d+)/.exec(printed)?.[1]);
    assert.ok(pid > 0);
    await waitUntilGone(pid);
  });

  it("fails a program that does not start", async () => {
    const { count } = await run("", { command: ["/nonexistent/program"] });
    assert.equal(count.failed, 1);
  });
});

/** A killed process stays listed until its new parent has waited for it: state Z counts as gone. */
async function waitUntilGone(pid: number): Promise<void> {
  const { readFile } = await import("node:fs/promises");
  for (;;) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    if (stat === "" || / Z /.test(stat)) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
