import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzRtmpSources } from "../../../support/fuzz/rtmp-source-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("a source by rtmp under fuzz", function () {
  this.timeout(60_000);

  it(`is read, or given up by a code, whatever 1,000 hostile servers send (seed ${seed})`, async () => {
    const { items, refused } = await fuzzRtmpSources(1_000, seed);
    assert.ok(items > 1_000, `${items} items ${[...refused]}`);
    for (const code of ["PULL_SOURCE_LOST", "PULL_UNREACHABLE", "RTMP_CHUNK_HEADER_MISSING"]) {
      assert.ok((refused.get(code) ?? 0) > 5, `${code} of ${[...refused]}`);
    }
  });
});
