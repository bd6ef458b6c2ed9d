import { type Static, type TSchema, Type } from "typebox";
import type { FieldType, Structure } from "./eip712.ts";
import type { Hex } from "./hex.ts";
import type { Signed } from "./statements.ts";

/**
 * Building blocks of message schemas. One schema is a message's type, its validation and its documentation.
 * Hex is lower case on the wire: two spellings of one address would be two keys of a map.
 */

/** Hex text of exactly `sizeBytes` bytes. */
export const hexSchema = (sizeBytes: number) =>
  Type.Unsafe<Hex>(Type.String({ pattern: `^0x[0-9a-f]{${2 * sizeBytes}}$` }));

export const addressSchema = hexSchema(20);
export const hashSchema = hexSchema(32);

/** 65 bytes r, s, v, or 64 bytes of EIP-2098. */
export const signatureSchema = Type.Unsafe<Hex>(Type.String({ pattern: "^0x(?:[0-9a-f]{128}|[0-9a-f]{130})$" }));

/**
 * An unsigned integer that travels as bigint. Its bound is compared as bigint here: compiled schemas write bounds as
 * numbers, and 2^64 - 1 as a number is 2^64.
 */
export const unsignedSchema = (bits: 64 | 128 | 256) =>
  Type.Refine(
    Type.BigInt(),
    (value) => typeof value === "bigint" && value >= 0n && value >> BigInt(bits) === 0n,
    () => `must be an unsigned integer of ${bits} bits`,
  );

export const uint32Schema = Type.Integer({ minimum: 0, maximum: 0xffff_ffff });

/** A count that stays exact in a number. */
export const countSchema = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** Raw bytes, at most `maxBytes`. */
export const bytesSchema = (maxBytes: number, minBytes = 0) =>
  Type.Refine(
    Type.Unsafe<Uint8Array>({}),
    (value: unknown) => value instanceof Uint8Array && value.byteLength >= minBytes && value.byteLength <= maxBytes,
    () => `must be ${minBytes} to ${maxBytes} bytes`,
  );

/** What a peer may be told of a failure: our message texts never leave. */
export const publicCodeSchema = Type.String({ pattern: "^[A-Z][A-Z0-9_]{2,63}$" });

/** A list with an upper bound: everything that a peer sends has one. */
export const listSchema = <S extends TSchema>(item: S, maxItems: number) =>
  Type.Unsafe<readonly Static<S>[]>(Type.Array(item, { maxItems }));

/** An object without unknown keys. */
export const closedObject = <P extends Record<string, TSchema>>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });

/** A schema for a type that is written elsewhere; the compiler proves that they agree. */
export const schemaFor =
  <T>() =>
  <S extends TSchema>(schema: Static<S> extends T ? S : never) =>
    Type.Unsafe<T>(schema);

const fieldSchemas: Record<FieldType, TSchema> = {
  address: addressSchema,
  bytes32: hashSchema,
  uint8: Type.Integer({ minimum: 0, maximum: 0xff }),
  uint32: uint32Schema,
  uint64: unsignedSchema(64),
  uint128: unsignedSchema(128),
  uint256: unsignedSchema(256),
};

/** The value of a signed structure, straight from its definition. */
export function structureSchema<T>(structure: Structure<T>) {
  return Type.Unsafe<T>(
    closedObject(Object.fromEntries(structure.fields.map(([name, type]) => [name, fieldSchemas[type]]))),
  );
}

export function signedSchema<T>(structure: Structure<T>) {
  return Type.Unsafe<Signed<T>>(closedObject({ value: structureSchema(structure), signature: signatureSchema }));
}
