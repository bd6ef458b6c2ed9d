import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const source = new URL("../../../scripts/network/processes.ts", import.meta.url).href;

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
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
