import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { fuzzRtmpSources } from "../../../support/fuzz/rtmp-source-fuzz.ts";
import { fuzzRtspSources } from "../../../support/fuzz/rtsp-source-fuzz.ts";

const seed = Number(process.env.LEAT_TEST_SEED ?? randomInt(2 ** 31));

describe("sources by rtmp and rtsp under fuzz, for long", function () {
  this.timeout(3_600_000);

  it(`are read, or given up by a code, whatever 200,000 hostile servers of each send (seed ${seed})`, async () => {
    const rtmp = await fuzzRtmpSources(200_000, seed);
    const rtsp = await fuzzRtspSources(200_000, seed);
    assert.ok(rtmp.items > 200_000 && rtsp.items > 1_000_000, `${rtmp.items} ${rtsp.items}`);
  });
});
