import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzPush } from "../../../support/fuzz/push-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("push under fuzz, for long", () => {
  it(`answers 5,000,000 hostile configurations with profiles or a coded refusal (seed ${seed})`, function () {
    this.timeout(3_600_000);
    const { profiles } = fuzzPush(5_000_000, seed);
    assert.ok(profiles > 250_000);
  });
});
