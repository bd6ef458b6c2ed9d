import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { publishMeanings } from "@leat/node/media-io/http-refusals.ts";
import { pushMeanings } from "@leat/node/media-io/push/errors.ts";
import { rejectReasonOf } from "@leat/node/media-io/srt/reject-reasons.ts";

/** A session that lasts loses its place; an offer that is refused never had one. */
const neverByOffer = "INGEST_LEASE_LOST";

describe("what a publisher hears", () => {
  let codes: string[];
  before(async () => {
    const page = await readFile(new URL("../../../docs/buyers/publish-a-stream.md", import.meta.url), "utf8");
    const [, table] = /^## What a publisher hears\n([\s\S]*?)^## /m.exec(page)!;
    const cells = [...table!.matchAll(/^\| (`[^|]*`) +\|/gm)].map(([, cell]) => cell!);
    codes = cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, code]) => code!));
    assert.ok(codes.length > 15);
  });

  it("by push or an offer of WHIP is each code of the page, and no fault of ours", () => {
    const byOffer = codes.filter((code) => code !== neverByOffer);
    for (const [heard, meanings] of [
      [codes, pushMeanings],
      [byOffer, publishMeanings],
    ] as const) {
      const faults = heard.filter((code) => meanings[code] === undefined || meanings[code][0] === 500);
      assert.deepEqual(faults, []);
    }
  });

  it("by SRT has a number that is no fault of ours", () => {
    assert.deepEqual(
      codes.filter((code) => rejectReasonOf(code) === 1_500),
      [],
    );
  });
});
