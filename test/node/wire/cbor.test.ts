import assert from "node:assert/strict";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { bytesSchema, closedObject, hexSchema, listSchema, unsignedSchema } from "@leat/sdk/protocol/schemas.ts";
import fc from "fast-check";
import { type Static, Type } from "typebox";
import { createCodec, decodeValue, encodeValue } from "../../../node/wire/cbor.ts";
import { testCodec } from "../../suites/codec.ts";

const schema = closedObject({
  hash: hexSchema(4),
  amount: unsignedSchema(256),
  count: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  share: Type.Number(),
  text: Type.String({ maxLength: 40 }),
  data: bytesSchema(64),
  flag: Type.Boolean(),
  maybe: Type.Optional(Type.Null()),
  list: listSchema(closedObject({ at: Type.Integer(), amount: unsignedSchema(64) }), 8),
});

const values: fc.Arbitrary<Static<typeof schema>> = fc.record(
  {
    hash: fc
      .uint8Array({ minLength: 4, maxLength: 4 })
      .map((bytes) => `0x${Buffer.from(bytes).toString("hex")}` as const),
    amount: fc.oneof(fc.bigInt({ min: 0n, max: 300n }), fc.bigInt({ min: 0n, max: 2n ** 256n - 1n })),
    count: fc.maxSafeNat(),
    share: fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
      fc.integer(),
    ),
    text: fc.string({ maxLength: 20 }),
    data: fc.uint8Array({ maxLength: 64 }),
    flag: fc.boolean(),
    maybe: fc.constant(null),
    list: fc.array(
      fc.record({ at: fc.integer(), amount: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }, { noNullPrototype: true }),
      { maxLength: 8 },
    ),
  },
  { requiredKeys: ["hash", "amount", "count", "share", "text", "data", "flag", "list"], noNullPrototype: true },
);

testCodec({
  name: "CBOR by schema",
  codec: createCodec(schema, 4_096),
  values,
  refusals: ["WIRE_MESSAGE_INVALID", "WIRE_MESSAGE_TOO_LARGE"],
});

describe("CBOR", () => {
  const refuses = (bytes: Uint8Array, maxBytes = 1_000_000) =>
    assert.throws(
      () => decodeValue(bytes, maxBytes),
      (error: unknown) =>
        isCodedError(error) && ["WIRE_MESSAGE_INVALID", "WIRE_MESSAGE_TOO_LARGE"].includes(error.code),
    );

  it("writes integers of every width in as few bytes as they have", () => {
    for (let size = 0; size <= 9; size += 1) {
      const edge = 256n ** BigInt(size);
      for (const value of [edge - 1n, edge, edge + 1n]) {
        const digits = value === 0n ? "" : value.toString(16);
        const wanted = Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex");
        const bytes = encodeValue(value);
        assert.deepEqual(Buffer.from(bytes), Buffer.from([0xc2, 0x40 + wanted.length, ...wanted]));
        assert.equal(decodeValue(bytes, 100), value);
      }
    }
    assert.throws(() => encodeValue(-1n), { code: "WIRE_MESSAGE_UNSENDABLE" });
  });

  it("refuses what is longer than allowed", () => refuses(encodeValue("x".repeat(100)), 50));

  it("refuses nesting that would exhaust the stack", () => refuses(new Uint8Array(900_000).fill(0x81)));

  it("refuses a list that claims more values than there are bytes", () => {
    refuses(Uint8Array.of(0x9a, 0xff, 0xff, 0xff, 0xff));
    refuses(Uint8Array.of(0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
    refuses(Uint8Array.of(0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
  });

  it("refuses more values than any message of ours has", () => refuses(encodeValue(new Array(100_001).fill(0))));

  it("refuses other encodings of a value that has one", () => {
    refuses(Uint8Array.of(0x18, 0x01));
    refuses(Uint8Array.of(0x9f, 0x01, 0xff));
    refuses(Uint8Array.of(0xa2, 0x61, 0x61, 0x01, 0x61, 0x61, 0x02));
    refuses(Uint8Array.of(0xc2, 0x42, 0x00, 0x01));
    refuses(Uint8Array.of(0xc1, 0x01));
    refuses(Uint8Array.of(0xf7));
    refuses(Uint8Array.of(0xf9, 0x7e, 0x00));
  });

  it("does not let a key reach an object's prototype", () => {
    const codec = createCodec(closedObject({ admin: Type.Optional(Type.Boolean()) }), 100);
    const bytes = Uint8Array.of(0xa1, 0x69, ...Buffer.from("__proto__"), 0xa1, 0x65, ...Buffer.from("admin"), 0xf5);
    assert.throws(
      () => codec.decode(bytes),
      (error: unknown) => isCodedError(error) && error.code === "WIRE_MESSAGE_INVALID",
    );
  });

  it("refuses to encode what does not fit the schema", () => {
    const codec = createCodec(closedObject({ hash: hexSchema(2) }), 100);
    assert.throws(
      () => codec.encode({ hash: "0xABCD" }),
      (error: unknown) => isCodedError(error) && error.code === "WIRE_MESSAGE_UNSENDABLE",
    );
  });
});
