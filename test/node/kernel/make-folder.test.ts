import assert from "node:assert/strict";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFolder } from "@leat/node/kernel/make-folder.ts";

describe("kernel/make-folder", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-folder-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("makes what is missing, for its user alone where that is wanted, and leaves what is there", async () => {
    const path = join(folder, "a/b/c");
    await makeFolder(path, 0o700);
    await makeFolder(path);
    assert.equal((await stat(path)).mode & 0o777, 0o700);
  });

  it("makes what several ask for at once", async () => {
    const paths = ["x/y/1", "x/y/2", "x/y/1", "x/y"].map((name) => join(folder, name));
    await Promise.all(paths.map((path) => makeFolder(path)));
    for (const path of paths) assert.ok((await stat(path)).isDirectory());
  });

  it("says why it cannot, and ends, also where a folder takes no new ones", async () => {
    await writeFile(join(folder, "file"), "");
    await assert.rejects(makeFolder(join(folder, "file")), { code: "EEXIST" });
    await assert.rejects(makeFolder(join(folder, "file/below")), { code: "ENOTDIR" });
    await assert.rejects(makeFolder("/proc/leat"), { code: "ENOENT" });
    await assert.rejects(makeFolder("/proc/leat/below"), { code: "ENOENT" });
  });
});
