import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzTs } from "../../support/fuzz/ts-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("mpegts under fuzz", () => {
  it(`answers 4,000 hostile streams with media of use or a coded refusal (seed ${seed})`, async function () {
    this.timeout(60_000);
    const { read, refused, items } = await fuzzTs(4_000, seed);
    assert.ok(read > 2_000 && items > 50_000, `${read} read, ${items} items`);
    for (const code of ["MPEGTS_CODEC_UNSUPPORTED", "MPEGTS_SCRAMBLED"]) {
      assert.ok((refused.get(code) ?? 0) > 5, `${code} of ${[...refused]}`);
    }
  });
});
