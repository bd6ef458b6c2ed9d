import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzWebrtc } from "../../../support/fuzz/webrtc-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("webrtc under fuzz", () => {
  it(`answers 10,000 hostile inputs with media of use or a coded refusal (seed ${seed})`, async function () {
    this.timeout(60_000);
    const { cases, read, refused, items } = await fuzzWebrtc(10_000, seed);
    assert.equal(cases, 10_000);
    assert.ok(read > cases / 4 && items > cases, `${read} read, ${items} items`);
    for (const code of [
      "WEBRTC_SDP_INVALID",
      "WEBRTC_MEDIA_UNSUPPORTED",
      "WHIP_LAYERS_UNSUPPORTED",
      "BITSTREAM_INVALID",
    ]) {
      assert.ok((refused.get(code) ?? 0) > 5, `${code} in ${JSON.stringify([...refused])}`);
    }
  });
});
