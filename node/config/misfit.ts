import { findNearest } from "./errors.ts";
import { describeWanted, fits, type SettingSchema } from "./settings.ts";

/** The first part of a value that does not fit. */
export interface Misfit {
  /** Behind the setting's key: `[0].ingestMs`; empty for the value itself. */
  readonly at: string;
  /** As JSON, or "missing". Of a secret nothing. */
  readonly found: string;
  readonly wanted: string;
  /** What the part is, where its schema says so. */
  readonly about?: string;
}

/** Goes into lists and objects, so that a person is told the entry and the field and not that a whole list is wrong. */
export function findMisfit(schema: SettingSchema, value: unknown, at = ""): Misfit | undefined {
  if (fits(schema, value)) return undefined;
  const inner =
    schema.type === "array" && Array.isArray(value)
      ? misfitOfList(schema, value, at)
      : schema.properties !== undefined && isObject(value)
        ? misfitOfObject(schema, schema.properties, value, at)
        : undefined;
  if (inner !== undefined) return inner;
  const found = schema.secret === true ? "***" : (JSON.stringify(value) ?? "missing").slice(0, 200);
  const { description } = schema;
  return { at, found, wanted: describeWanted(schema), ...(description === undefined ? {} : { about: description }) };
}

function misfitOfList(
  { items, minItems, maxItems }: SettingSchema,
  value: readonly unknown[],
  at: string,
): Misfit | undefined {
  const found = `a list of ${value.length}`;
  if (maxItems !== undefined && value.length > maxItems) return { at, found, wanted: `at most ${maxItems} entries` };
  if (minItems !== undefined && value.length < minItems) return { at, found, wanted: `at least ${minItems} entries` };
  return first(items === undefined ? [] : value.map((item, index) => () => findMisfit(items, item, `${at}[${index}]`)));
}

function misfitOfObject(
  { required = [] }: SettingSchema,
  fields: Readonly<Record<string, SettingSchema>>,
  value: Readonly<Record<string, unknown>>,
  at: string,
): Misfit | undefined {
  const names = Object.keys(fields);
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const nearest = findNearest(unknown, names);
    const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
    const wanted = `one of ${names.join(", ")}${hint}`;
    return { at: join(at, unknown.slice(0, 80)), found: "no field that there is", wanted };
  }
  const asked = names.filter((name) => Object.hasOwn(value, name) || required.includes(name));
  return first(asked.map((name) => () => findMisfit(fields[name]!, value[name], join(at, name))));
}

function first(looks: readonly (() => Misfit | undefined)[]): Misfit | undefined {
  for (const look of looks) {
    const misfit = look();
    if (misfit !== undefined) return misfit;
  }
  return undefined;
}

function join(at: string, name: string): string {
  return at === "" ? name : `${at}.${name}`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
