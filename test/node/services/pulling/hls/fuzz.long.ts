import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzFragments, fuzzPlaylists } from "../../../../support/fuzz/pull-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("pulled hls under fuzz, for long", function () {
  this.timeout(3_600_000);

  it(`follows 500,000 hostile playlists, or refuses them by a code (seed ${seed})`, async () => {
    assert.ok((await fuzzPlaylists(500_000, seed)).brought > 200_000);
  });

  it(`reads 500,000 hostile files of fragmented MP4, or refuses them by a code (seed ${seed})`, async () => {
    assert.ok((await fuzzFragments(500_000, seed)).brought > 500_000);
  });
});
