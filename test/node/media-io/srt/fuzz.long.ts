import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzStreamIds } from "../../../support/fuzz/stream-id-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("srt stream ids under fuzz, for long", () => {
  it(`are of 5,000,000 hostile ones a name, or refused by a code (seed ${seed})`, async function () {
    this.timeout(3_600_000);
    assert.ok((await fuzzStreamIds(5_000_000, seed)).read > 125_000);
  });
});
