import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzRtspSources } from "../../../support/fuzz/rtsp-source-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("a source by rtsp under fuzz", function () {
  this.timeout(60_000);

  it(`is read, or given up by a code, whatever 600 hostile servers send (seed ${seed})`, async () => {
    const { items, refused } = await fuzzRtspSources(600, seed);
    assert.ok(items > 3_000, `${items} items ${[...refused]}`);
    for (const code of ["PULL_SOURCE_LOST", "PULL_UNREACHABLE", "PULL_RTSP_INVALID"]) {
      assert.ok((refused.get(code) ?? 0) > 0, `${code} of ${[...refused]}`);
    }
  });
});
