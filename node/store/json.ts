/**
 * JSON that keeps apart what JSON does not: bigint `{"$n":"12"}`, Map `{"$m":[[key, value]]}`, Set `{"$s":[value]}`.
 * Objects of ours have none of these keys.
 */
export function toText(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (typeof item === "bigint") return { $n: item.toString() };
    if (item instanceof Map) return { $m: [...item] };
    if (item instanceof Set) return { $s: [...item] };
    return item;
  });
}

export function fromText(text: string): unknown {
  return JSON.parse(text, (_, item: unknown) => {
    const { $n, $m, $s } = (item ?? {}) as { $n?: unknown; $m?: unknown; $s?: unknown };
    if (typeof $n === "string") return BigInt($n);
    if (Array.isArray($m)) return new Map($m as [unknown, unknown][]);
    if (Array.isArray($s)) return new Set($s);
    return item;
  });
}
