import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { bigint, customType, integer } from "drizzle-orm/pg-core";

/** Hex text in lower case: what the rest of Leat compares. */
export const hex = customType<{ data: Hex; driverData: string }>({ dataType: () => "text" });

/** An integer of any size. */
export const wide = customType<{ data: bigint; driverData: string }>({
  dataType: () => "numeric(78,0)",
  toDriver: (value) => value.toString(),
  fromDriver: (value) => BigInt(value),
});

/** Milliseconds since 1970. */
export const timeMs = (name: string) => bigint(name, { mode: "number" });

/** A small integer. */
export const count = (name: string) => integer(name);

/** A value as JSON text, bigint as `{"$n":"12"}`. For what is read back whole and never searched by its inside. */
export const record = <T>(name: string) =>
  customType<{ data: T; driverData: string }>({
    dataType: () => "text",
    toDriver: (value) => recordToText(value),
    fromDriver: (text) => recordFromText(text) as T,
  })(name);

export function recordToText(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? { $n: item.toString() } : item));
}

export function recordFromText(text: string): unknown {
  return JSON.parse(text, (_key, item: unknown) => {
    if (typeof item !== "object" || item === null) return item;
    const digits = (item as { $n?: unknown }).$n;
    return typeof digits === "string" ? BigInt(digits) : item;
  });
}
