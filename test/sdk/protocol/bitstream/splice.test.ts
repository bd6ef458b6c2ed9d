import assert from "node:assert/strict";
import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import { parseSplice } from "@leat/sdk/protocol/bitstream/splice.ts";
import { crc32 } from "@leat/transcoder/mpegts/sections.ts";
import fc from "fast-check";
import { standardInsert, standardSignal, writeSignal, writeSplice } from "../../../support/splices.ts";

describe("splice commands", () => {
  it("are read as the standard says of its own samples", () => {
    assert.deepEqual([crc32(standardInsert), crc32(standardSignal)], [0, 0]);
    const insert = { number: 0x4800008f };
    assert.deepEqual(parseSplice(standardInsert), [
      { kind: "out", event: insert, ticks: 0x07369c02e, durationTicks: 0x00052ccf5 },
    ]);
    const placement = { number: 0x4800008e, segmentation: 0x34 };
    assert.deepEqual(parseSplice(standardSignal), [
      { kind: "out", event: placement, ticks: 0x072bd0050, durationTicks: 0x0001a599b0 },
    ]);
  });

  it("are read as they were written, adjusted over the wrap", () => {
    const ticks = fc.nat(2 ** 31 - 1).map((half) => half * 4 + 3);
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.boolean(), ticks, ticks, ticks, (eventId, isOut, at, adjustment, length) => {
        const event = { number: eventId };
        const times = { ticks: (at + adjustment) % 2 ** 33, durationTicks: length };
        const wanted = [{ kind: isOut ? "out" : "in", event, ...times }];
        assert.deepEqual(
          parseSplice(writeSplice({ eventId, isOut, ticks: at, adjustment, durationTicks: length })),
          wanted,
        );
      }),
    );
    assert.deepEqual(parseSplice(writeSplice({ eventId: 7, isOut: false })), [{ kind: "in", event: { number: 7 } }]);
  });

  it("of segments leave the programme and return to it, each kind with numbers of its own", () => {
    const event = { number: 9, segmentation: 0x30 };
    const long = 2 ** 32 + 5;
    const read = (...segments: Parameters<typeof writeSignal>[1] & {}) => parseSplice(writeSignal(90, segments));
    assert.deepEqual(read({ number: 9, type: 0x30, durationTicks: long }), [
      { kind: "out", event, ticks: 90, durationTicks: long },
    ]);
    assert.deepEqual(read({ number: 9, type: 0x31, components: [1, 2] }), [{ kind: "in", event, ticks: 90 }]);
    const cancelled = { number: 9, type: 0, isCancelled: true };
    assert.deepEqual(read(cancelled), [{ kind: "cancelled", event: { number: 9, segmentation: "any" }, ticks: 90 }]);
    // A chapter is part of the programme; what stands beside it is told.
    assert.deepEqual(read({ number: 1, type: 0x20 }), [{ kind: "other", ticks: 90 }]);
    assert.deepEqual(read({ number: 1, type: 0x20 }, { number: 2, type: 0x23 }, { number: 3, type: 0x34 }), [
      { kind: "in", event: { number: 2, segmentation: 0x22 }, ticks: 90 },
      { kind: "out", event: { number: 3, segmentation: 0x34 }, ticks: 90 },
    ]);
    assert.deepEqual(read(), [{ kind: "other", ticks: 90 }]);
    // What cannot be read of the descriptors does not hide the command.
    const whole = writeSignal(90, [{ number: 9, type: 0x30 }]);
    for (const spoil of [
      (bytes: Uint8Array) => bytes.subarray(0, 30),
      (bytes: Uint8Array) => bytes.fill(3, 22, 23),
      (bytes: Uint8Array) => bytes.fill(0xff, 19, 21),
    ]) {
      const [splice] = parseSplice(spoil(Uint8Array.from(whole)));
      assert.equal(splice?.ticks, 90);
    }
  });

  it("at which nothing happens are none", () => {
    const nothing = Uint8Array.from(standardSignal);
    for (const command of [0, 7]) {
      nothing[13] = command;
      assert.deepEqual(parseSplice(nothing), []);
    }
  });

  it("are refused where they are cut short, encrypted or something else, and never read beyond", () => {
    const code = (bytes: Uint8Array) => {
      try {
        parseSplice(bytes);
        return "read";
      } catch (error) {
        assert.ok(error instanceof BitstreamError);
        return error.code;
      }
    };
    assert.equal(code(standardInsert.subarray(0, 24)), "BITSTREAM_TRUNCATED");
    assert.equal(code(Uint8Array.of(0x02, ...standardInsert.subarray(1))), "BITSTREAM_INVALID");
    const encrypted = Uint8Array.from(standardInsert);
    encrypted[4]! |= 0x80;
    assert.equal(code(encrypted), "BITSTREAM_UNSUPPORTED");
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => void code(Uint8Array.of(0xfc, ...bytes))));
    const signal = writeSignal(0, [{ number: 1, type: 0x30 }]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(signal.length), (bytes, at) => {
        const spoilt = Uint8Array.from(signal);
        spoilt.set(bytes.subarray(0, signal.length - at), at);
        code(spoilt);
      }),
    );
  });
});
