import { CodedError } from "../base/errors.ts";
import { type Address, bytesToHex, type Hex, isHex, writeHex } from "./hex.ts";
import { keccak256 } from "./keccak.ts";

/**
 * EIP-712 for what Leat signs: flat structures of atomic static types. Nothing else is needed, so nothing else is here.
 * A digest made here is for comparing and for contracts; no function of Leat signs a digest that a caller supplies.
 */

/** What binds a statement to one network: EIP712Domain(name "Leat", version "1", chainId, verifyingContract). */
export interface Domain {
  readonly chainId: number;
  /** The escrow; for proofs of possession, the registry that checks them. */
  readonly verifyingContract: Address;
  /** Both are Leat's where absent; a token that is authorised to move money has its own. */
  readonly name?: string;
  readonly version?: string;
}

const unsignedBits = { uint8: 8, uint32: 32, uint64: 64, uint128: 128, uint256: 256 } as const;
type UnsignedType = keyof typeof unsignedBits;
export type FieldType = "address" | "bytes32" | UnsignedType;

/** Off chain form: hex for bytes and addresses, number up to 32 bits, bigint beyond. */
export type FieldValue<T extends FieldType> = T extends "address" | "bytes32"
  ? Hex
  : T extends "uint8" | "uint32"
    ? number
    : bigint;

export type Fields = Readonly<Record<string, FieldType>>;
export type FieldsValue<F extends Fields> = { readonly [K in keyof F]: FieldValue<F[K]> };

/** A signed structure: its name and its fields in signing order. The type parameter is the value's type. */
export interface Structure<T> {
  readonly name: string;
  readonly fields: readonly (readonly [name: keyof T & string, type: FieldType])[];
  /** `Name(type field,type field)`. */
  readonly encodedType: string;
  readonly typeHash: Hex;
}

/** The value type of a structure. */
export type ValueOf<S> = S extends Structure<infer T> ? T : never;

/** Of another type; an integer that does not fit; not there; nothing that the structure has. */
type FieldFault =
  | "STATEMENT_FIELD_INVALID"
  | "STATEMENT_FIELD_RANGE"
  | "STATEMENT_FIELD_MISSING"
  | "STATEMENT_FIELD_UNKNOWN";

export class StatementError extends CodedError<
  | { code: FieldFault; structure: string; field: string; wanted: string }
  | { code: "STATEMENT_SIGNATURE_LENGTH"; lengthBytes: number }
  | { code: "STATEMENT_SIGNATURE_RECOVERY_ID"; found: number }
  | { code: "STATEMENT_SIGNATURE_HIGH_S" }
  | { code: "STATEMENT_SIGNATURE_INVALID" }
  | { code: "STATEMENT_SIGNER_WRONG"; structure: string; wanted: Address; found: Address }
  | { code: "STATEMENT_KEY_INVALID" }
> {}

export function defineStructure<const F extends Fields>(name: string, fields: F): Structure<FieldsValue<F>> {
  const entries = Object.entries(fields) as [keyof F & string, FieldType][];
  const encodedType = `${name}(${entries.map(([field, type]) => `${type} ${field}`).join(",")})`;
  return Object.freeze({ name, fields: entries, encodedType, typeHash: bytesToHex(keccakText(encodedType)) });
}

/** A frozen domain: its separator is computed once. */
export function createDomain(chainId: number, verifyingContract: Address): Domain {
  return Object.freeze({ chainId, verifyingContract });
}

/** hashStruct of EIP-712: the same on every chain. */
export function hashStruct<T>(structure: Structure<T>, value: T): Hex {
  return bytesToHex(structHashBytes(structure, value));
}

/** The EIP-712 digest: the identity of a statement on its network (`quoteHash` and `receiptHash` are this). */
export function hashStatement<T>(structure: Structure<T>, domain: Domain, value: T): Hex {
  return bytesToHex(statementDigest(structure, domain, value));
}

export function hashDomain(domain: Domain): Hex {
  return bytesToHex(domainSeparator(domain));
}

/** The digest as bytes, for the one place that signs and recovers (`statements.ts`). */
export function statementDigest<T>(structure: Structure<T>, domain: Domain, value: T): Uint8Array {
  const message = new Uint8Array(66);
  message[0] = 0x19;
  message[1] = 0x01;
  message.set(domainSeparator(domain), 2);
  message.set(structHashBytes(structure, value), 34);
  return keccak256(message);
}

/**
 * Checks that `input` (decoded from the wire, say) has exactly the structure's fields, each of its type and in range,
 * and gives it back with hex in lower case. Integers may be bigint or safe number; either becomes the field's own form.
 */
export function parseValue<T>(structure: Structure<T>, input: unknown): T {
  if (typeof input !== "object" || input === null) throw fieldError(structure, "", "an object");
  const source = input as Record<string, unknown>;
  const value: Record<string, unknown> = {};
  for (const [field, type] of structure.fields) value[field] = parseField(structure, field, type, source[field]);
  for (const field of Object.keys(source)) {
    if (!(field in value)) throw fieldError(structure, field, "no such field", "STATEMENT_FIELD_UNKNOWN");
  }
  return value as T;
}

/** Plain JSON: integers beyond 32 bits as decimal text. `valueFromJson` reads it back. */
export function valueToJson<T>(structure: Structure<T>, value: T): Record<string, string | number> {
  const json: Record<string, string | number> = {};
  for (const [field] of structure.fields) {
    const item = value[field] as string | number | bigint;
    json[field] = typeof item === "bigint" ? item.toString() : item;
  }
  return json;
}

export function valueFromJson<T>(structure: Structure<T>, json: unknown): T {
  if (typeof json !== "object" || json === null) throw fieldError(structure, "", "an object");
  const source: Record<string, unknown> = { ...json };
  for (const [field, type] of structure.fields) {
    const item = source[field];
    if (isUnsigned(type) && typeof item === "string" && /^[0-9]{1,78}$/.test(item)) source[field] = BigInt(item);
  }
  return parseValue(structure, source);
}

function parseField<T>(structure: Structure<T>, field: string, type: FieldType, item: unknown): unknown {
  if (item === undefined) throw fieldError(structure, field, type, "STATEMENT_FIELD_MISSING");
  if (!isUnsigned(type)) {
    if (!isHex(item, type === "address" ? 20 : 32)) throw fieldError(structure, field, type);
    return item.toLowerCase();
  }
  const isInteger = typeof item === "bigint" || (typeof item === "number" && Number.isSafeInteger(item));
  if (!isInteger) throw fieldError(structure, field, type);
  const wide = BigInt(item as bigint | number);
  if (wide < 0n || wide >> BigInt(unsignedBits[type]) !== 0n) {
    throw fieldError(structure, field, type, "STATEMENT_FIELD_RANGE");
  }
  return unsignedBits[type] <= 32 ? Number(wide) : wide;
}

const typeHashes = new WeakMap<object, Uint8Array>();
const separators = new WeakMap<object, Uint8Array>();

function structHashBytes<T>(structure: Structure<T>, value: T): Uint8Array {
  const encoded = new Uint8Array(32 * (structure.fields.length + 1));
  encoded.set(
    cached(typeHashes, structure, () => keccakText(structure.encodedType)),
    0,
  );
  const view = new DataView(encoded.buffer);
  let offset = 32;
  for (const [field, type] of structure.fields) {
    if (!writeField(encoded, view, offset, type, value[field])) throw fieldError(structure, field, type);
    offset += 32;
  }
  return keccak256(encoded);
}

/** False when the item is not of the type: a value out of range must never be cut to fit. */
function writeField(encoded: Uint8Array, view: DataView, offset: number, type: FieldType, item: unknown): boolean {
  switch (type) {
    case "address":
      if (!isHex(item, 20)) return false;
      writeHex(encoded, offset + 12, item);
      return true;
    case "bytes32":
      if (!isHex(item, 32)) return false;
      writeHex(encoded, offset, item);
      return true;
    case "uint8":
    case "uint32":
      if (typeof item !== "number" || !Number.isInteger(item) || item < 0 || item >= 2 ** unsignedBits[type])
        return false;
      view.setUint32(offset + 28, item);
      return true;
    default:
      if (typeof item !== "bigint" || item < 0n || item >> BigInt(unsignedBits[type]) !== 0n) return false;
      writeWord(view, offset, item);
      return true;
  }
}

function writeWord(view: DataView, offset: number, item: bigint): void {
  let rest = item;
  for (let at = offset + 24; rest !== 0n; at -= 8) {
    view.setBigUint64(at, BigInt.asUintN(64, rest));
    rest >>= 64n;
  }
}

const domainTypeHash = keccakText("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
const nameHash = keccakText("Leat");
const versionHash = keccakText("1");

function domainSeparator(domain: Domain): Uint8Array {
  // A domain that may still change is not cached: a stale separator would sign for another network.
  return Object.isFrozen(domain) ? cached(separators, domain, () => encodeDomain(domain)) : encodeDomain(domain);
}

function encodeDomain(domain: Domain): Uint8Array {
  const encoded = new Uint8Array(160);
  encoded.set(domainTypeHash, 0);
  encoded.set(domain.name === undefined ? nameHash : keccakText(domain.name), 32);
  encoded.set(domain.version === undefined ? versionHash : keccakText(domain.version), 64);
  if (!Number.isSafeInteger(domain.chainId) || domain.chainId < 0) {
    throw new StatementError({
      code: "STATEMENT_FIELD_INVALID",
      structure: "EIP712Domain",
      field: "chainId",
      wanted: "uint256",
    });
  }
  writeWord(new DataView(encoded.buffer), 96, BigInt(domain.chainId));
  if (!isHex(domain.verifyingContract, 20)) {
    throw new StatementError({
      code: "STATEMENT_FIELD_INVALID",
      structure: "EIP712Domain",
      field: "verifyingContract",
      wanted: "address",
    });
  }
  writeHex(encoded, 128 + 12, domain.verifyingContract);
  return keccak256(encoded);
}

function cached(store: WeakMap<object, Uint8Array>, key: object, make: () => Uint8Array): Uint8Array {
  const held = store.get(key);
  if (held !== undefined) return held;
  const made = make();
  store.set(key, made);
  return made;
}

function keccakText(text: string): Uint8Array {
  return keccak256(new TextEncoder().encode(text));
}

function isUnsigned(type: FieldType): type is UnsignedType {
  return type in unsignedBits;
}

function fieldError<T>(
  structure: Structure<T>,
  field: string,
  wanted: string,
  code: FieldFault = "STATEMENT_FIELD_INVALID",
): StatementError {
  return new StatementError({ code, structure: structure.name, field, wanted });
}
