import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { ProcessGroup, requireFreePort } from "../../../scripts/network/processes.ts";

const source = new URL("../../../scripts/network/processes.ts", import.meta.url).href;

describe("a port of UDP", () => {
  it("is told to be busy while another has it at all addresses, and by TCP is not", async () => {
    const other = createSocket("udp4").bind(0);
    await once(other, "listening");
    const { port } = other.address();
    await assert.rejects(requireFreePort(port, "node-a (SRT)", "udp"), { code: "UP_PORT_BUSY" });
    await requireFreePort(port, "node-a (peers)");
    other.close();
    await once(other, "close");
    await requireFreePort(port, "node-a (SRT)", "udp");
  });
});

describe("processes of a network", () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "leat-processes-"));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  it("are gone when whoever started them ends without a stop", async () => {
    const program = `
      const { ProcessGroup } = await import(${JSON.stringify(source)});
      const group = new ProcessGroup(${JSON.stringify(directory)}, () => {});
      const child = 'console.log("up"); setInterval(() => {}, 1_000)';
      const { pid } = await group.start({ name: "child", command: process.execPath, args: ["-e", child], ready: /up/ });
      process.stdout.write(String(pid), () => process.exit());
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]);
    const pid = Number(stdout);
    assert.ok(pid > 1);
    // A signal was sent before the parent ended; what is left is for the kernel to do.
    while (isRunning(pid)) await new Promise((resolve) => setImmediate(resolve));
  });

  it("are ended by the next of the same folder when whoever started them was killed, and nobody else is", async () => {
    const program = `
      const { ProcessGroup } = await import(${JSON.stringify(source)});
      const group = new ProcessGroup(${JSON.stringify(directory)}, () => {});
      const child = 'console.log("up"); setInterval(() => {}, 1_000)';
      const start = (name) => group.start({ name, command: process.execPath, args: ["-e", child], ready: /up/ });
      const pids = [(await start("first")).pid, (await start("second")).pid];
      process.stdout.write(JSON.stringify(pids), () => process.kill(process.pid, "SIGKILL"));
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]).catch(
      (error: { stdout: string }) => error,
    );
    const pids = JSON.parse(stdout) as number[];
    assert.deepEqual(pids.map(isRunning), [true, true]);
    const file = join(directory, "processes.json");
    const started = JSON.parse(await readFile(file, "utf8")) as { name: string; pid: number; identity: string }[];
    // As of a process that is long gone, whose id this one has now.
    const other = { name: "other", pid: process.pid, identity: started[0]!.identity };
    await writeFile(file, JSON.stringify([...started, other]));
    const next = new ProcessGroup(directory, assert.ifError);
    assert.deepEqual(await next.endLeftovers(), ["first", "second"]);
    // Ended; whoever inherited them has yet to ask how.
    while (pids.some(isRunning)) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await next.endLeftovers(), []);
    await next.stop();
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
