import { CodedError } from "../base/errors.ts";
import { bytesToHex, type Hex } from "./hex.ts";
import { keccak256 } from "./keccak.ts";

export class CanonicalError extends CodedError<{ code: "CANONICAL_VALUE_INVALID"; path: string; found: string }> {}

/**
 * One text for one value: JSON without spaces, keys in code unit order, absent and undefined fields left out, bigint as
 * decimal text, numbers as JSON writes them. The reader knows each field's type from its schema, so text never stands
 * for two values.
 *
 * Example: `{ b: 2n, a: [1], c: undefined }` is `{"a":[1],"b":"2"}`.
 */
export function canonicalText(value: unknown): string {
  return write(value, "$");
}

/** keccak256 of `label`, a line feed and the canonical text. The label keeps one kind of thing from passing as another. */
export function hashCanonical(label: string, value: unknown): Hex {
  return bytesToHex(keccak256(new TextEncoder().encode(`${label}\n${canonicalText(value)}`)));
}

function write(value: unknown, path: string): string {
  switch (typeof value) {
    case "string":
    case "boolean":
      return JSON.stringify(value);
    case "bigint":
      return `"${value}"`;
    case "number":
      if (!Number.isFinite(value)) throw invalid(path, value);
      return JSON.stringify(value);
    case "object":
      break;
    default:
      throw invalid(path, value);
  }
  if (value === null) return "null";
  if (Array.isArray(value)) return `[${value.map((item, index) => write(item, `${path}[${index}]`)).join(",")}]`;
  if (Object.getPrototypeOf(value) !== Object.prototype) throw invalid(path, value);
  const fields = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, item]) => `${JSON.stringify(name)}:${write(item, `${path}.${name}`)}`);
  return `{${fields.join(",")}}`;
}

function invalid(path: string, value: unknown): CanonicalError {
  return new CanonicalError({ code: "CANONICAL_VALUE_INVALID", path, found: typeof value });
}
