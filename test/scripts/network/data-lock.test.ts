import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockData } from "../../../scripts/network/data-lock.ts";

describe("the lock of a network's data folder", () => {
  let dir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "leat-lock-"));
  });

  afterEach(() => rm(dir, { recursive: true }));

  it("is refused while its process lives, with that process's id", async () => {
    const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], { stdio: ["pipe", "ignore", "ignore"] });
    try {
      await writeFile(join(dir, "network.pid"), `${child.pid}\n`);
      await assert.rejects(lockData(dir), { detail: { code: "UP_DATA_IN_USE", dir, pid: child.pid } });
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    // The same lock, once its process is gone, is nobody's.
    const unlock = await lockData(dir);
    assert.equal((await readFile(join(dir, "network.pid"), "utf8")).trim(), String(process.pid));
    await unlock();
  });

  it("can be had again when it was given back", async () => {
    await (await lockData(dir))();
    await (await lockData(dir))();
  });
});
