import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadNodeConfig } from "@leat/node/config/load-node-config.ts";

const pages = {
  "docs/operators/run-a-node.md": ["ingest", "transcode", "delivery"],
  "docs/buyers/publish-a-stream.md": ["buyer"],
  "docs/resellers/run-a-cluster.md": ["balancer"],
};

/** What a reader puts in the place of what only they know. */
const filledIn: Readonly<Record<string, string>> = { '"0x…"': `"0x${"1".repeat(40)}"`, "…": "example" };

describe("the settings file that a page begins with", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "leat-docs-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const [page, roles] of Object.entries(pages)) {
    it(`is taken as it stands in ${page}`, async () => {
      const text = await readFile(new URL(`../../${page}`, import.meta.url), "utf8");
      const [, block] = /^```json\n([\s\S]*?)^```/m.exec(text)!;
      const settings = JSON.parse(block!.replaceAll(/"0x…"|…/g, (mark) => filledIn[mark]!));
      assert.deepEqual(settings.node.roles, roles);
      // What it names stands elsewhere.
      delete settings.node.networkFile;
      const file = join(folder, "settings.json");
      await writeFile(file, JSON.stringify(settings));
      assert.deepEqual(loadNodeConfig({ argv: [], env: {}, file }).values.node.roles, roles);
    });
  }
});
