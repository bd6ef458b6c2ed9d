/** JSON that keeps bigint apart from number: `{"$n":"12"}`. Objects of ours have no key `$n`. */
export function toText(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? { $n: item.toString() } : item));
}

export function fromText(text: string): unknown {
  return JSON.parse(text, (_, item: unknown) => {
    const digits = (item as { $n?: unknown } | null)?.$n;
    return typeof digits === "string" ? BigInt(digits) : item;
  });
}
