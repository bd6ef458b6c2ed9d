import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeFileAtomic } from "@leat/node/kernel/atomic-file.ts";

describe("kernel/atomic-file", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-atomic-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("replaces a file with its mode and leaves nothing else behind", async () => {
    const path = join(folder, "state");
    await writeFile(path, "old");
    await writeFileAtomic(path, "new", { mode: 0o600 });
    assert.equal(await readFile(path, "utf8"), "new");
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(folder), ["state"]);
  });

  it("leaves no temporary file when it fails", async () => {
    await assert.rejects(writeFileAtomic(folder, "a folder stands here"));
    assert.deepEqual(await readdir(folder), []);
    await assert.rejects(writeFileAtomic(join(folder, "none", "state"), ""), { code: "ENOENT" });
  });
});
