import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzMultipart } from "../../../support/fuzz/multipart-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("a gateway's answer under fuzz, for long", () => {
  it(`gives of 500,000 hostile ones the parts, or refuses them by a code (seed ${seed})`, async function () {
    this.timeout(3_600_000);
    const { brought } = await fuzzMultipart(500_000, seed);
    assert.ok(brought > 100_000, `${brought} parts`);
  });
});
