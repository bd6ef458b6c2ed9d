import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzPush } from "../../../support/fuzz/push-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("push under fuzz", () => {
  it(`answers 20,000 hostile configurations with profiles or a coded refusal (seed ${seed})`, function () {
    this.timeout(60_000);
    const { read, profiles, refused } = fuzzPush(20_000, seed);
    assert.ok(read > 2_000 && profiles > 1_000, `${read} read, ${profiles} profiles`);
    for (const what of ["json", "profile", "profiles", "name", "size", "encoder"]) {
      assert.ok((refused.get(what) ?? 0) > 20, `${what} of ${JSON.stringify([...refused])}`);
    }
  });
});
