import assert from "node:assert/strict";
import { readFirstSample, readInit } from "@leat/node/media/inspect/mp4-facts.ts";
import { box, fullBox } from "@leat/node/media/mp4/box.ts";
import { concatBytes, uint32 } from "@leat/sdk/base/bytes.ts";

/** A fragment with these tables, as long as they may be. */
const fragmentOf = (header: Uint8Array, run: Uint8Array) => box("moof", box("traf", header, run));
const key = 0x02000000;
const delta = 0x01010000;

describe("facts of MP4", () => {
  for (const [name, runFlags, beforeInRun, headerFlags, beforeInHeader] of [
    ["the sample's own flags", 0x700, [10, 20], 0x020000, undefined],
    ["the flags of the first sample", 0x4, [], 0x020000, undefined],
    ["the flags of the fragment", 0, undefined, 0x02003a, [1, 10, 20]],
  ] as const) {
    it(`finds a key frame by ${name}, and nothing in tables that are cut short`, () => {
      const at = (flags: number) =>
        [
          uint32(1, ...(beforeInHeader === undefined ? [] : [...beforeInHeader, flags])),
          uint32(1, ...(beforeInRun === undefined ? [] : [...beforeInRun, flags])),
        ] as const;
      for (const flags of [key, delta]) {
        const [tfhd, trun] = at(flags);
        const whole = fragmentOf(fullBox("tfhd", 0, headerFlags, tfhd), fullBox("trun", 0, runFlags, trun));
        assert.deepEqual(readFirstSample(whole), { key: flags === key });
        for (let cut = 0; cut < trun.length; cut += 1) {
          const short = fragmentOf(
            fullBox("tfhd", 0, headerFlags, tfhd),
            fullBox("trun", 0, runFlags, trun.subarray(0, cut)),
          );
          assert.notDeepEqual(readFirstSample(short), { key: flags !== key });
        }
        for (let cut = 0; cut < tfhd.length; cut += 1) {
          readFirstSample(
            fragmentOf(fullBox("tfhd", 0, headerFlags, tfhd.subarray(0, cut)), fullBox("trun", 0, runFlags, trun)),
          );
        }
      }
    });
  }

  it("finds the first sample behind what stands before a fragment, events too", () => {
    const header = fullBox("tfhd", 0, 0x020020, uint32(1, key));
    const whole = fragmentOf(header, fullBox("trun", 0, 0, uint32(1)));
    for (const type of ["styp", "sidx", "prft", "emsg"]) {
      assert.deepEqual(readFirstSample(concatBytes([box(type), box(type), whole])), { key: true });
    }
    assert.equal(readFirstSample(concatBytes([box("mdat"), whole])), undefined);
  });

  it("takes no media for an init segment", () => {
    assert.equal(readInit(box("moov")), undefined);
    assert.equal(readInit(fragmentOf(fullBox("tfhd", 0, 0), fullBox("trun", 0, 0))), undefined);
  });
});
