import assert from "node:assert/strict";
import { checkSrt, isSpoken } from "@leat/node/app/srt.ts";
import { SrtError } from "@leat/node/media-io/srt/errors.ts";

describe("srt of a node", () => {
  for (const [what, fault, check, spoken] of [
    ["listens", undefined, undefined, true],
    ["lost its thread", new SrtError({ code: "SRT_THREAD_LOST" }), "SRT_THREAD_LOST", true],
    ["has no library", new SrtError({ code: "SRT_LIBRARY_MISSING", tried: "" }), undefined, false],
    ["is switched off", new SrtError({ code: "SRT_STOPPED" }), undefined, false],
  ] as const) {
    it(`says what it can do where it ${what}`, () => {
      assert.deepEqual([checkSrt({ fault }).check(), isSpoken({ fault })], [check, spoken]);
    });
  }

  it("leaves the node ready, whose other ways go on", () => {
    assert.equal(checkSrt({ fault: new SrtError({ code: "SRT_THREAD_LOST" }) }).decides, false);
  });
});
