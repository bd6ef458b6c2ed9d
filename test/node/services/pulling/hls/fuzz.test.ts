import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzFragments, fuzzPlaylists } from "../../../../support/fuzz/pull-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("pulled hls under fuzz", function () {
  this.timeout(60_000);

  it(`follows 4,000 hostile playlists, or refuses them by a code (seed ${seed})`, async () => {
    const { read, refused, brought } = await fuzzPlaylists(4_000, seed);
    assert.ok(read > 400 && brought > 2_000, `${read} read, ${brought} segments`);
    for (const code of ["PULL_PLAYLIST_INVALID", "PULL_PLAYLIST_UNSUPPORTED", "PULL_VARIANT_MISSING"]) {
      assert.ok((refused.get(code) ?? 0) > 5, `${code} of ${[...refused]}`);
    }
  });

  it(`reads 4,000 hostile files of fragmented MP4, or refuses them by a code (seed ${seed})`, async () => {
    const { read, refused, brought } = await fuzzFragments(4_000, seed);
    assert.ok(read > 1_000 && brought > 5_000, `${read} read, ${brought} items`);
    for (const code of ["MP4_INIT_INVALID", "MP4_FRAGMENT_INVALID"]) {
      assert.ok((refused.get(code) ?? 0) > 5, `${code} of ${[...refused]}`);
    }
  });
});
