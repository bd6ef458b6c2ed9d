import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzMultipart } from "../../../support/fuzz/multipart-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("a gateway's answer under fuzz", () => {
  it(`gives of 4,000 hostile ones the parts, or refuses them by a code (seed ${seed})`, async function () {
    this.timeout(60_000);
    const { read, refused, brought } = await fuzzMultipart(4_000, seed);
    assert.ok(read > 800 && brought > 800, `${read} read, ${brought} parts`);
    for (const end of ["INVALID", "CUT", "TOO_LARGE"]) {
      const code = `TRANSCODE_GATEWAY_ANSWER_${end}`;
      assert.ok((refused.get(code) ?? 0) > 100, `${code} of ${[...refused]}`);
    }
  });
});
