import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { rejectReasonOf } from "@leat/node/media-io/srt/reject-reasons.ts";

describe("what SRT tells a caller that is refused", () => {
  it("is no fault of ours for any code that the page of publishing lists", async () => {
    const page = await readFile(new URL("../../../../docs/buyers/publish-a-stream.md", import.meta.url), "utf8");
    const [, table] = /^## What a publisher hears\n([\s\S]*?)^## /m.exec(page)!;
    const codes = [...table!.matchAll(/^\| `(\w+)`/gm)].map(([, code]) => code!);
    assert.deepEqual(
      codes.filter((code) => rejectReasonOf(code) === 1_500),
      [],
    );
    assert.deepEqual(
      ["JOB_CAPACITY_SHORT", "PRICE_ABOVE_CEILING", "INGEST_STOPPED", "INTERNAL"].map(rejectReasonOf),
      [1_402, 1_403, 1_503, 1_500],
    );
  });
});
