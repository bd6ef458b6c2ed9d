import assert from "node:assert/strict";
import { isShown, readCaptions } from "@leat/sdk/protocol/bitstream/captions.ts";
import { insertCaptions } from "@leat/transcoder/bitstream/captions.ts";
import { joinLengthPrefixed, nalType, splitLengthPrefixed } from "@leat/transcoder/bitstream/h264.ts";
import fc from "fast-check";

const head = [0xb5, 0x00, 0x31, 0x47, 0x41, 0x39, 0x34, 0x03];
const caption = (...rest: number[]) => Uint8Array.of(...head, ...rest);
const picture = joinLengthPrefixed([Uint8Array.of(0x06, 5, 1, 0, 0x80), Uint8Array.of(0x65, 1, 2, 3)]);
const bytesOf = (captions: readonly Uint8Array[]) => captions.map((one) => [...one]);

describe("captions", () => {
  it("reads back whatever it inserted, before the first slice, and never a start code", () => {
    const data = fc.uint8Array({ maxLength: 120 }).map((rest) => caption(...rest));
    // Many zeros, as empty constructs have them.
    const empty = fc.array(fc.constantFrom(0, 0, 0, 1, 2, 3, 0xff), { maxLength: 120 }).map((rest) => caption(...rest));
    fc.assert(
      fc.property(fc.array(fc.oneof(data, empty), { minLength: 1, maxLength: 2 }), (captions) => {
        const frame = insertCaptions(picture, captions);
        assert.deepEqual(bytesOf(readCaptions("h264", frame)), bytesOf(captions));
        const units = splitLengthPrefixed(frame);
        assert.deepEqual(units.map(nalType), [6, 6, 5]);
        const inserted = Buffer.from(units[1]!);
        assert.ok([0, 1, 2].every((last) => !inserted.includes(Buffer.of(0, 0, last))));
      }),
    );
  });

  it("leaves a picture without captions as it is", () => {
    assert.equal(insertCaptions(picture, []), picture);
    assert.deepEqual(readCaptions("h264", picture), []);
  });

  it("reads captions of HEVC, beside other messages", () => {
    const data = caption(0xc1, 0xff, 0xfc, 0x94, 0x20, 0xff);
    const unit = Uint8Array.of(39 << 1, 1, 5, 2, 7, 7, 4, data.length, ...data, 0x80);
    assert.deepEqual(bytesOf(readCaptions("hevc", joinLengthPrefixed([unit]))), [[...data]]);
    assert.deepEqual(readCaptions("vp9", joinLengthPrefixed([unit])), []);
  });

  it("leaves out what is too long, cut short, too much or of another kind", () => {
    const other = [0xb5, 0x00, 0x31, 0x44, 0x54, 0x47, 0x31, 0x03];
    for (const message of [
      [4, 129, ...caption(...Array.from({ length: 121 }, () => 7))],
      [4, 20, ...caption(1, 2, 3)],
      [4, 8, ...other],
      [5, 8, ...head],
    ]) {
      const frame = joinLengthPrefixed([Uint8Array.of(6, ...message, 0x80)]);
      assert.deepEqual(readCaptions("h264", frame), [], `${message.slice(0, 2)}`);
    }
    const many = insertCaptions(picture, [caption(1), caption(2), caption(3)]);
    assert.deepEqual(bytesOf(readCaptions("h264", many)), [[...caption(1)], [...caption(2)]]);
  });

  it("tells captions that say something from empty ones, and those of CEA-608 from others", () => {
    const constructs = (...bytes: number[]) => caption(0x40 | (bytes.length / 3), 0xff, ...bytes);
    assert.equal(isShown(constructs(0xfc, 0x94, 0x20)), true);
    assert.equal(isShown(constructs(0xfc, 0x80, 0x80, 0xfd, 0x80, 0x80)), false);
    // Not valid, and of CEA-708.
    assert.equal(isShown(constructs(0xf8, 0x94, 0x20, 0xff, 0x41, 0x42)), false);
    // What is said of the programme, in the second field; and what is not to be looked at.
    assert.equal(isShown(constructs(0xfd, 0x01, 0x05, 0xfd, 0x41, 0x42)), false);
    assert.equal(isShown(constructs(0xfd, 0x15, 0x2c)), true);
    assert.equal(isShown(caption(0x01, 0xff, 0xfc, 0x94, 0x20)), false);
    assert.equal(isShown(caption()), false);
    assert.equal(isShown(caption(0x5f, 0xff, 0xfc)), false);
  });

  it("reads two of a hundred thousand", () => {
    const message = [4, head.length, ...head];
    const unit = new Uint8Array(1 + message.length * 200_000).fill(0x80);
    unit[0] = 6;
    for (let at = 1; at < unit.length; at += message.length) unit.set(message, at);
    const frame = joinLengthPrefixed([unit, unit]);
    assert.deepEqual(bytesOf(readCaptions("h264", frame)), [head, head]);
  });

  it("reads anything without a fault", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        isShown(caption(...bytes));
        readCaptions("h264", bytes);
        readCaptions("h264", joinLengthPrefixed([Uint8Array.of(6, ...bytes)]));
        readCaptions("hevc", joinLengthPrefixed([Uint8Array.of(78, 1, ...bytes)]));
      }),
    );
  });
});
