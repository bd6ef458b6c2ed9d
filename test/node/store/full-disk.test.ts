import assert from "node:assert/strict";
import { type ChildProcess, execFile, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Database } from "../../../node/store/database.ts";
import type { StoreOrder, StoreReply } from "../../support/store-process.ts";

const program = fileURLToPath(new URL("../../support/store-process.ts", import.meta.url));
const run = promisify(execFile);

describe("a store whose disk is full", function () {
  this.timeout(60_000);
  let location: string;
  let child: ChildProcess;

  const hear = async () => (await once(child, "message"))[0] as StoreReply;
  const ask = async (order: StoreOrder) => {
    const reply = hear();
    child.send(order);
    return await reply;
  };
  /** The kernel refuses what is beyond so many bytes of a file; the soft limit alone, so that it can be lifted again. */
  const limit = (bytes: number | "unlimited") => run("prlimit", ["--pid", String(child.pid), `--fsize=${bytes}:`]);
  const acknowledged = new Map<string, string>();
  let written = 0;
  const put = async () => {
    written += 1;
    const [key, value] = [`key ${written % 7}`, `${written} `.repeat(700)];
    const reply = await ask({ do: "put", key, value });
    if ("code" in reply) return { code: reply.code, key };
    acknowledged.set(key, value);
    return { key };
  };
  const fill = async () => {
    for (;;) {
      const { code, key } = await put();
      if (code !== undefined) return { code, key };
    }
  };

  before(async () => {
    location = await mkdtemp(join(tmpdir(), "leat-full-"));
    child = fork(program, [location], { serialization: "advanced" });
    await hear();
  });
  after(async () => {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    await rm(location, { recursive: true, force: true });
  });

  it("goes on by itself when there is room, and neither loses what it acknowledged nor shows what it refused", async () => {
    for (const bytes of [30_000, 40_000, 50_000, 70_001]) {
      await limit(bytes);
      const { code, key: refused } = await fill();
      assert.equal(code, "STORE_WRITE_FAILED");
      // As long as there is no room it says so, refuses, and can be read.
      assert.deepEqual(await ask({ do: "fault" }), { value: "STORE_WRITE_FAILED" });
      assert.equal((await put()).code, "STORE_WRITE_FAILED");
      assert.deepEqual(await ask({ do: "get", key: refused }), { value: acknowledged.get(refused) });
      await limit("unlimited");
      assert.deepEqual(await ask({ do: "fault" }), { value: undefined });
      assert.deepEqual(await ask({ do: "get", key: refused }), { value: acknowledged.get(refused) });
      const here = (await ask({ do: "list" })) as { value: [string, string][] };
      assert.deepEqual(new Map(here.value), acknowledged);
      for (let count = 0; count < 20; count += 1) assert.equal((await put()).code, undefined);
    }
    child.kill("SIGKILL");
    await once(child, "exit");
    const database = await Database.open(location);
    try {
      assert.deepEqual(new Map(await database.list("")), acknowledged);
    } finally {
      await database.close();
    }
    assert.ok(!(await readdir(location)).includes("room-check"));
  });
});
