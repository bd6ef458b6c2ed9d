import assert from "node:assert/strict";
import {
  annexBToFrame,
  avcCodecString,
  buildAvcC,
  joinLengthPrefixed,
  readAvcC,
  splitAnnexB,
  splitLengthPrefixed,
} from "@leat/transcoder/bitstream/h264.ts";
import fc from "fast-check";

/** High profile, level 2.1, 4:2:0 with 8 bits, as x264 writes it. */
const SPS = Buffer.from("67640015acb40d8ff270800000030080015f90078b175", "hex");
const PPS = Buffer.from("68ef3cb0", "hex");

/** A unit holds no start code and ends with no zero, as the standard has it. */
const units = fc.array(
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => bytes.map((byte) => (byte < 4 ? byte + 4 : byte))),
  { minLength: 1, maxLength: 6 },
);

const plain = (list: readonly Uint8Array[]) => list.map((unit) => [...unit]);

describe("transcoder/bitstream/h264", () => {
  it("splits what start codes of either length join", () => {
    fc.assert(
      fc.property(units, fc.boolean(), (list, isLong) => {
        const code = isLong ? [0, 0, 0, 1] : [0, 0, 1];
        const stream = Buffer.concat(list.flatMap((unit) => [Buffer.from(code), Buffer.from(unit)]));
        assert.deepEqual(plain(splitAnnexB(stream)), plain(list));
      }),
    );
  });

  it("splits what lengths join, and stops where a length lies", () => {
    fc.assert(
      fc.property(units, (list) => {
        const joined = joinLengthPrefixed(list);
        assert.deepEqual(plain(splitLengthPrefixed(joined)), plain(list));
        assert.deepEqual(plain(splitLengthPrefixed(joined.subarray(0, -1))), plain(list.slice(0, -1)));
      }),
    );
  });

  it("leaves delimiters and parameter sets out of frames", () => {
    const picture = Buffer.from([0x65, 1, 2, 3]);
    const start = Buffer.from([0, 0, 0, 1]);
    const stream = Buffer.concat([Buffer.from([9, 0x10]), SPS, PPS, picture].flatMap((unit) => [start, unit]));
    assert.deepEqual(plain(splitLengthPrefixed(annexBToFrame(stream))), [[...picture]]);
  });

  it("builds a configuration that says what the parameter set says, and reads it back", () => {
    const avcC = buildAvcC([SPS, PPS, SPS]);
    assert.equal(avcCodecString(avcC), "avc1.640015");
    assert.deepEqual(plain(readAvcC(avcC)), plain([SPS, PPS]));
    assert.deepEqual([...avcC.subarray(-4)], [0xfd, 0xf8, 0xf8, 0]);
  });

  it("refuses to build one without parameter sets", () => {
    assert.throws(() => buildAvcC([PPS]), {
      detail: { code: "TRANSCODE_BITSTREAM_INVALID", codec: "h264", reason: "no parameter sets" },
    });
  });
});
