import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { publishMeanings } from "@leat/node/media-io/http-refusals.ts";
import { pushMeanings } from "@leat/node/media-io/push/errors.ts";

describe("what a publisher hears", () => {
  it("by HTTP too is each code of the page, never a fault of ours", async () => {
    const page = await readFile(new URL("../../../docs/buyers/publish-a-stream.md", import.meta.url), "utf8");
    const [, table] = /^## What a publisher hears\n([\s\S]*?)^## /m.exec(page)!;
    const codes = [...table!.matchAll(/^\| `(\w+)`/gm)].map(([, code]) => code!);
    assert.ok(codes.length > 15);
    const answered = { ...publishMeanings, ...pushMeanings };
    assert.deepEqual(
      codes.filter((code) => answered[code] === undefined),
      [],
    );
  });
});
