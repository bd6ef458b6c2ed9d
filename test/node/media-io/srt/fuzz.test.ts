import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzStreamIds } from "../../../support/fuzz/stream-id-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("srt stream ids under fuzz", () => {
  it(`are of 20,000 hostile ones a name, or refused by a code (seed ${seed})`, async function () {
    this.timeout(60_000);
    const { read, refused } = await fuzzStreamIds(20_000, seed);
    assert.ok(read > 500, `${read} read`);
    for (const code of ["SRT_STREAMID_INVALID", "SRT_MODE_UNSUPPORTED"]) {
      assert.ok((refused.get(code) ?? 0) > 20, `${code} of ${[...refused]}`);
    }
  });
});
