/**
 * How decisions and tables are stored and fetched: JSON with keys in order, integers only, bigint as `{"$n":"12"}` (so
 * that a reader without a schema gets back what was written). Hashes are over `canonicalText`, not over this.
 */
export function toText(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "boolean":
      return value ? "true" : "false";
    case "bigint":
      return `{"$n":"${value}"}`;
    case "number":
      // A fraction could be written in two ways: it has no place in what must agree.
      if (!Number.isSafeInteger(value)) throw new TypeError("numbers of a decision are safe integers");
      return String(value);
    case "object":
      return value === null ? "null" : objectText(value);
    default:
      throw new TypeError(`no text for ${typeof value}`);
  }
}

/** The inverse. */
export function fromText(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => readBigint(value) ?? value);
}

function readBigint(value: unknown): bigint | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const digits = (value as { $n?: unknown }).$n;
  return typeof digits === "string" && /^-?[0-9]{1,78}$/.test(digits) ? BigInt(digits) : undefined;
}

function objectText(value: object): string {
  if (Array.isArray(value)) return `[${value.map(toText).join(",")}]`;
  const fields = value as Record<string, unknown>;
  const parts = Object.keys(fields)
    .filter((key) => fields[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${toText(fields[key])}`);
  return `{${parts.join(",")}}`;
}
