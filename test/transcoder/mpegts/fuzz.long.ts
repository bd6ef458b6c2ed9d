import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzTs } from "../../support/fuzz/ts-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("mpegts under fuzz, for long", () => {
  it(`answers 1,000,000 hostile streams with media of use or a coded refusal (seed ${seed})`, async function () {
    this.timeout(3_600_000);
    const { items } = await fuzzTs(1_000_000, seed);
    assert.ok(items > 5_000_000);
  });
});
