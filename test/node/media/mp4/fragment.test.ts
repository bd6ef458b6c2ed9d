import assert from "node:assert/strict";
import { box, fullBox, uint64 } from "@leat/node/media/mp4/box.ts";
import { fragment, type Sample } from "@leat/node/media/mp4/fragment.ts";
import { concatBytes, uint32 } from "@leat/sdk/base/bytes.ts";
import fc from "fast-check";

const samples = fc.array(
  fc.record<Sample>({
    durationTicks: fc.nat(0xffff_ffff),
    compositionTicks: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    key: fc.boolean(),
    data: fc.uint8Array({ maxLength: 100 }),
  }),
  { maxLength: 20 },
);

/** Box by box, as the format describes it. */
function compose(number: number, decodeTime: number, of: readonly Sample[], track: number): Uint8Array {
  const rows = of.flatMap(({ durationTicks, compositionTicks, key, data }) => {
    return [durationTicks, data.length, key ? 0x0200_0000 : 0x0101_0000, compositionTicks];
  });
  const movieOf = (dataOffset: number) => {
    const run = fullBox("trun", 1, 0x000f01, uint32(of.length, dataOffset, ...rows));
    const header = fullBox("tfhd", 0, 0x020000, uint32(track));
    const traf = box("traf", header, fullBox("tfdt", 1, 0, uint64(decodeTime)), run);
    return box("moof", fullBox("mfhd", 0, 0, uint32(number)), traf);
  };
  return concatBytes([movieOf(movieOf(0).length + 8), box("mdat", ...of.map(({ data }) => data))]);
}

describe("mp4 fragment", () => {
  it("is what its boxes are, one in the other", () => {
    fc.assert(
      fc.property(
        fc.nat(0xffff_ffff),
        fc.maxSafeNat(),
        samples,
        fc.integer({ min: 1, max: 9 }),
        (number, time, of, track) => {
          assert.deepEqual(fragment(number, time, of, track), compose(number, time, of, track));
        },
      ),
    );
  });
});
