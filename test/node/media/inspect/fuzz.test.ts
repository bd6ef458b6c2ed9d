import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzInspection } from "../../../support/fuzz/inspect-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("playlist inspection under fuzz", () => {
  it(`reads 2,000 hostile playlists, and blames rules and lines that are there (seed ${seed})`, async function () {
    this.timeout(60_000);
    const { read, brought } = await fuzzInspection(2_000, seed);
    assert.equal(read, 2_000);
    assert.ok(brought > 4_000, `${brought} findings`);
  });
});
