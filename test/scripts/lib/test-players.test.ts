import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensurePlayers } from "../../../scripts/lib/test-players.ts";

describe("scripts/lib/test-players", () => {
  const path = process.env.PATH;
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-players-"));
    await mkdir(join(folder, "node_modules"));
    await lock("package-lock.json", "1.0.0");
  });
  afterEach(async () => {
    process.env.PATH = path;
    await rm(folder, { recursive: true, force: true });
  });

  const lock = (name: string, version: string) =>
    writeFile(join(folder, name), JSON.stringify({ packages: { "": {}, "node_modules/player": { version } } }));

  /** Stands in the way of the real one, notes what it is told, and does that. */
  async function putNpm(script: string): Promise<void> {
    const bin = join(folder, "bin");
    await mkdir(bin);
    await writeFile(join(bin, "npm"), `#!/bin/sh\necho "$@" > ${join(folder, "told")}\n${script}\n`);
    await chmod(join(bin, "npm"), 0o755);
    process.env.PATH = `${bin}:${path}`;
  }

  it("brings nothing where all that is locked is there", async () => {
    await lock("node_modules/.package-lock.json", "1.0.0");
    await putNpm("exit 1");
    ensurePlayers(folder, () => assert.fail("it says nothing"));
  });

  it("brings what is missing or of another version, by the lockfile and without running anything of it", async () => {
    await lock("node_modules/.package-lock.json", "0.9.0");
    await putNpm("exit 0");
    const said: string[] = [];
    ensurePlayers(folder, (text) => said.push(text));
    assert.equal(said.length, 1);
    assert.match(await readFile(join(folder, "told"), "utf8"), /^ci .*--ignore-scripts/);
  });

  it("says what to run where it cannot", async () => {
    await putNpm("exit 1");
    assert.throws(() => ensurePlayers(folder, () => {}), /npm ci --prefix test\/players/);
  });
});
