import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzInspection } from "../../../support/fuzz/inspect-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("playlist inspection under fuzz, for long", () => {
  it(`reads 500,000 hostile playlists, and blames rules and lines that are there (seed ${seed})`, async function () {
    this.timeout(3_600_000);
    const { read, brought } = await fuzzInspection(500_000, seed);
    assert.equal(read, 500_000);
    assert.ok(brought > 1_000_000, `${brought} findings`);
  });
});
