import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { searchSlashable } from "../../../support/honest-property.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("an honest node, for long", () => {
  it(`gives no slashable pair in 20,000 random sequences (seed ${seed})`, async function () {
    this.timeout(3_600_000);
    const { receipts } = await searchSlashable(20_000, 150, seed);
    assert.ok(receipts > 20_000);
  });
});
