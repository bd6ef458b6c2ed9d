import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzRtmp } from "../../../support/fuzz/rtmp-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("rtmp under fuzz", () => {
  it(`answers 15,000 hostile inputs with media of use or a coded refusal (seed ${seed})`, async function () {
    this.timeout(60_000);
    const { cases, read, refused, items } = await fuzzRtmp(15_000, seed);
    // The inputs are near enough to real ones that much of them is read, and far enough that every rule is met.
    assert.equal(cases, 15_000);
    assert.ok(read > cases / 4 && items > cases, `${read} read, ${items} items`);
    for (const code of ["RTMP_AMF_INVALID", "RTMP_CODEC_UNSUPPORTED", "BITSTREAM_TRUNCATED", "BITSTREAM_INVALID"]) {
      assert.ok((refused.get(code) ?? 0) > 10, code);
    }
  });
});
