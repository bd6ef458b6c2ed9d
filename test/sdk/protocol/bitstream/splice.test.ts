import assert from "node:assert/strict";
import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import { parseSplice } from "@leat/sdk/protocol/bitstream/splice.ts";
import { crc32 } from "@leat/transcoder/mpegts/sections.ts";
import fc from "fast-check";
import { standardInsert, standardSignal, writeSplice } from "../../../support/splices.ts";

describe("splice commands", () => {
  it("are read as the standard says of its own samples", () => {
    assert.deepEqual([crc32(standardInsert), crc32(standardSignal)], [0, 0]);
    assert.deepEqual(parseSplice(standardInsert), {
      kind: "out",
      eventId: 0x4800008f,
      ticks: 0x07369c02e,
      durationTicks: 0x00052ccf5,
    });
    assert.deepEqual(parseSplice(standardSignal), { kind: "other", ticks: 0x072bd0050 });
  });

  it("are read as they were written, adjusted over the wrap", () => {
    const ticks = fc.nat(2 ** 31 - 1).map((half) => half * 4 + 3);
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.boolean(), ticks, ticks, ticks, (eventId, isOut, at, adjustment, length) => {
        const wanted = {
          kind: isOut ? "out" : "in",
          eventId,
          ticks: (at + adjustment) % 2 ** 33,
          durationTicks: length,
        };
        assert.deepEqual(
          parseSplice(writeSplice({ eventId, isOut, ticks: at, adjustment, durationTicks: length })),
          wanted,
        );
      }),
    );
    assert.deepEqual(parseSplice(writeSplice({ eventId: 7, isOut: false })), { kind: "in", eventId: 7 });
  });

  it("at which nothing happens are none", () => {
    const nothing = Uint8Array.from(standardSignal);
    for (const command of [0, 7]) {
      nothing[13] = command;
      assert.equal(parseSplice(nothing), undefined);
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
  });
});
