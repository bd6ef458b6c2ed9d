import assert from "node:assert/strict";
import { type AmfValue, decodeAmf, encodeAmf } from "@leat/transcoder/rtmp/amf0.ts";
import { RtmpWireError } from "@leat/transcoder/rtmp/errors.ts";
import fc from "fast-check";

const { value } = fc.letrec<{ value: AmfValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.double({ noNaN: true }),
    fc.boolean(),
    fc.string({ maxLength: 20 }),
    fc.constant(null),
    fc.constant(undefined),
    fc.array(tie("value"), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.string({ minLength: 1, maxLength: 8 }), tie("value")), { maxLength: 4 })
      .map((entries) => new Map(entries) as AmfValue),
  ),
}));

describe("amf0", () => {
  it("reads back what it wrote", () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 5 }), (values) => {
        assert.deepEqual(decodeAmf(encodeAmf(values)), values);
      }),
    );
  });

  it("refuses what is cut short, too deep or endless with a coded error", () => {
    const deep = Uint8Array.from(Array.from({ length: 50 }, () => [3, 0, 1, 65]).flat());
    assert.throws(() => decodeAmf(deep), { code: "RTMP_AMF_INVALID" });
    assert.throws(() => decodeAmf(Uint8Array.of(10, 255, 255, 255, 255)), { code: "RTMP_AMF_INVALID" });
    assert.throws(() => decodeAmf(new Uint8Array(2000).fill(5)), { code: "RTMP_AMF_INVALID" });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeAmf(bytes);
        } catch (error) {
          assert.ok(error instanceof RtmpWireError);
        }
      }),
    );
  });
});
