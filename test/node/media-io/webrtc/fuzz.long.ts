import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzWebrtc } from "../../../support/fuzz/webrtc-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("webrtc under fuzz, for long", () => {
  it(`answers 1,000,000 hostile inputs with media of use or a coded refusal (seed ${seed})`, async function () {
    this.timeout(3_600_000);
    const { items } = await fuzzWebrtc(1_000_000, seed);
    assert.ok(items > 1_000_000);
  });
});
