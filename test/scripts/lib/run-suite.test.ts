import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { runAhead, runSuite, type Suite } from "../../../scripts/lib/run-suite.ts";

async function run(script: string, limits: Partial<Suite> = {}) {
  let printed = "";
  const { count, failures } = await runSuite({ ...suiteOf(script), ...limits }, process.cwd(), (text) => {
    printed += text;
  });
  return { count, failures, printed };
}

function suiteOf(script: string): Suite {
  return {
    name: "sample",
    command: [process.execPath, "-e", script],
    counted: true,
    limitMs: 60_000,
    silenceMs: 60_000,
  };
}

describe("scripts/run-suite", () => {
  it("passes the output on and counts it", async () => {
    const { count, failures, printed } = await run("console.log('  3 passing (1ms)'); console.error('noise')");
    assert.deepEqual(count, { passed: 3, failed: 0, skipped: 0 });
    assert.equal(failures, "");
    assert.match(printed, /3 passing/);
    assert.match(printed, /noise/);
  });

  it("tells what failed apart from the rest", async () => {
    const { failures } = await run(
      "console.log('noise\\n  3 passing (1ms)\\n  1 failing\\n\\n  1) a test:\\n'); process.exit(1)",
    );
    assert.equal(failures, "  1 failing\n\n  1) a test:");
  });

  it("kills a suite that never ends, says so and counts a failure", async () => {
    const script = "console.log('  3 passing (1ms)'); setInterval(() => {}, 1000)";
    const { count, failures, printed } = await run(script, { limitMs: 300 });
    assert.equal(count.failed, 1);
    assert.match(failures, /sample hangs/);
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

  it("runs one ahead of its turn, and tells of it then", async () => {
    const [first, second] = ["first", "second"].map(
      (name) => `console.log('${name}'); console.log('  3 passing (1ms)')`,
    );
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const asked = once(server, "connection");
    const tell = runAhead(suiteOf(`${second}; require('node:net').connect(${port}).end()`), process.cwd());
    // It has run before anybody asked for it.
    const [socket] = await asked;
    socket.destroy();
    server.close();
    const { printed } = await run(first!);
    let told = printed;
    const { count } = await tell((text) => {
      told += text;
    });
    assert.deepEqual(count, { passed: 3, failed: 0, skipped: 0 });
    assert.match(told, /^first\n.*passing.*\nsecond\n.*passing/);
  });

  it("kills none that runs ahead before its turn, whatever it takes, and from then on as it kills others", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const asked = once(server, "connection");
    const script = `console.log("speaks"); require("node:net").connect(${port}); setInterval(() => {}, 1000)`;
    const tell = runAhead({ ...suiteOf(script), limitMs: 200, silenceMs: 200 }, process.cwd());
    const [socket] = await asked;
    let isGone = false;
    socket.once("close", () => {
      isGone = true;
    });
    socket.on("error", () => {});
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.equal(isGone, false);
    const { count, failures } = await tell(() => {});
    server.close();
    assert.deepEqual([count.failed, /sample hangs/.test(failures)], [1, true]);
  });

  it("gives one that runs ahead no processor that others want, nor what it starts", async () => {
    const script = `
      const { readFileSync } = require("node:fs");
      const { execFileSync } = require("node:child_process");
      const group = (() => { try { return readFileSync("/proc/self/autogroup", "utf8"); } catch { return "none nice 19"; } })();
      console.log("nice " + execFileSync("nice").toString().trim() + ", of all " + group.split(" ").at(-1).trim());
      console.log("  1 passing (1ms)");`;
    let told = "";
    const { count } = await runAhead(
      { ...suiteOf(script), early: true },
      process.cwd(),
    )((text) => {
      told += text;
    });
    assert.equal(count.failed, 0);
    assert.match(told, /^nice 19, of all 19$/m);
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
