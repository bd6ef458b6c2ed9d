import { MAX_MESSAGE_DEPTH, MAX_MESSAGE_ITEMS } from "@leat/sdk/protocol/limits.ts";
import { type DecodeOptions, decode, type EncodeOptions, encode, Token, Type } from "cborg";
import type { Static, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { checkCborShape } from "./cbor-shape.ts";
import { WireError } from "./errors.ts";

/** Bytes and back for one schema. Decoding is bounded, strict (one encoding per value) and checked. */
export interface Codec<T> {
  /** Throws WIRE_MESSAGE_UNSENDABLE when the value does not fit the schema. */
  encode(value: T): Uint8Array;
  /** Throws WIRE_MESSAGE_INVALID or WIRE_MESSAGE_TOO_LARGE; nothing else. */
  decode(bytes: Uint8Array): T;
}

export interface Checker<T> {
  /** The value, or an error with the place and kind of the first fault. */
  check(value: unknown, fail: (reason: string) => Error): T;
}

/** A bignum of 32 bytes holds a uint256, the widest type that Leat signs. */
const MAX_BIGINT_BYTES = 32;
const BIGNUM_TAG = 2;

const encodeOptions: EncodeOptions = {
  ignoreUndefinedProperties: true,
  // A bigint is always a bignum and a number never: so each comes back as what it was, whatever its size.
  typeEncoders: {
    bigint: (value: bigint) => [new Token(Type.tag, BIGNUM_TAG), new Token(Type.bytes, bigintToBytes(value))],
  },
};

const decodeOptions: DecodeOptions = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
  tags: { [BIGNUM_TAG]: (content) => bytesToBigint(content()) },
};

export function createCodec<S extends TSchema>(schema: S, maxBytes: number): Codec<Static<S>> {
  const checker = createChecker(schema);
  return {
    encode(value) {
      const checked = checker.check(value, (reason) => new WireError({ code: "WIRE_MESSAGE_UNSENDABLE", reason }));
      const bytes = encodeValue(checked);
      if (bytes.byteLength > maxBytes) {
        throw new WireError({
          code: "WIRE_MESSAGE_UNSENDABLE",
          reason: `${bytes.byteLength} bytes, at most ${maxBytes}`,
        });
      }
      return bytes;
    },
    decode: (bytes) => checker.check(decodeValue(bytes, maxBytes), invalid),
  };
}

export function createChecker<S extends TSchema>(schema: S): Checker<Static<S>> {
  const validator = Compile(schema);
  return {
    check(value, fail) {
      if (validator.Check(value)) return value as Static<S>;
      const fault = validator.Errors(value)[0];
      throw fail(fault === undefined ? "does not fit" : `${fault.instancePath || "/"} ${fault.message}`);
    },
  };
}

/** Fields that are undefined are left out. */
export function encodeValue(value: unknown): Uint8Array {
  return encode(value, encodeOptions);
}

/** Any value within the bounds; the caller checks what it is. */
export function decodeValue(bytes: Uint8Array, maxBytes: number): unknown {
  if (bytes.byteLength > maxBytes) {
    throw new WireError({ code: "WIRE_MESSAGE_TOO_LARGE", sizeBytes: bytes.byteLength, maxBytes });
  }
  const fault = checkCborShape(bytes, { maxDepth: MAX_MESSAGE_DEPTH, maxItems: MAX_MESSAGE_ITEMS });
  if (fault !== undefined) throw invalid(fault);
  try {
    return decode(bytes, decodeOptions);
  } catch (cause) {
    throw new WireError({ code: "WIRE_MESSAGE_INVALID", reason: "not strict CBOR" }, { cause });
  }
}

function invalid(reason: string): WireError {
  return new WireError({ code: "WIRE_MESSAGE_INVALID", reason });
}

/** Most are counts: as numbers they cost a third of what digits cost. */
const SHORT_BYTES = 6;
const MAX_SHORT = 2n ** 48n - 1n;

function bigintToBytes(value: bigint): Uint8Array {
  if (value >= 0n && value <= MAX_SHORT) return shortToBytes(Number(value));
  const digits = value.toString(16);
  if (value < 0n || digits.length > 2 * MAX_BIGINT_BYTES) {
    throw new WireError({ code: "WIRE_MESSAGE_UNSENDABLE", reason: "integers are 0 to 2^256 - 1" });
  }
  return Uint8Array.from(Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex"));
}

function shortToBytes(value: number): Uint8Array {
  let size = 0;
  for (let rest = value; rest >= 1; rest /= 256) size += 1;
  const bytes = new Uint8Array(size);
  for (let at = size - 1, rest = value; at >= 0; at -= 1, rest = Math.floor(rest / 256)) bytes[at] = rest % 256;
  return bytes;
}

function bytesToBigint(content: unknown): bigint {
  if (!(content instanceof Uint8Array) || content.byteLength > MAX_BIGINT_BYTES) throw invalid("bignum too long");
  if (content[0] === 0) throw invalid("bignum with leading zero");
  if (content.byteLength <= SHORT_BYTES) {
    let value = 0;
    for (const byte of content) value = value * 256 + byte;
    return BigInt(value);
  }
  return BigInt(`0x${Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString("hex")}`);
}
