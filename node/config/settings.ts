import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";

/** Options fragments by the name of their section. Each is a `Type.Object` of settings, declared where it is used. */
export type Sections = Readonly<Record<string, TSchema>>;

export type ConfigValues<S extends Sections> = { readonly [K in keyof S]: Static<S[K]> };

/** One leaf of a fragment: `http.port`, `LEAT_HTTP_PORT`, `--http.port`. */
export interface Setting {
  readonly key: string;
  readonly path: readonly string[];
  readonly variable: string;
  readonly schema: SettingSchema;
  readonly required: boolean;
}

/** The part of JSON Schema that settings use. `secret` hides the value wherever it is shown. */
export interface SettingSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly SettingSchema[];
  readonly items?: SettingSchema;
  readonly properties?: Readonly<Record<string, SettingSchema>>;
  readonly required?: readonly string[];
  readonly default?: unknown;
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly secret?: boolean;
}

export function listSettings(sections: Sections): Setting[] {
  const settings = Object.entries(sections).flatMap(([name, schema]) =>
    listBelow([name], schema as SettingSchema, true),
  );
  const byVariable = Map.groupBy(settings, (setting) => setting.variable);
  for (const [variable, same] of byVariable) {
    if (same.length > 1) throw new Error(`${same.map((setting) => setting.key).join(" and ")} share ${variable}`);
  }
  return settings;
}

function listBelow(path: readonly string[], schema: SettingSchema, required: boolean): Setting[] {
  if (schema.properties !== undefined) {
    return Object.entries(schema.properties).flatMap(([name, inner]) =>
      listBelow([...path, name], inner, required && (schema.required ?? []).includes(name)),
    );
  }
  return [{ key: path.join("."), path, variable: nameVariable(path), schema, required }];
}

/** `["settlement", "collectEveryMs"]` is LEAT_SETTLEMENT_COLLECT_EVERY_MS. */
function nameVariable(path: readonly string[]): string {
  return ["LEAT", ...path.map((name) => name.replace(/([a-z0-9])([A-Z])/g, "$1_$2"))].join("_").toUpperCase();
}

/** A text from a flag or the environment as the schema's value; undefined when it is none. Bounds are checked apart. */
export function parseText(schema: SettingSchema, text: string): unknown {
  if (schema.anyOf !== undefined) {
    return schema.anyOf.map((one) => parseText(one, text)).find((value, at) => fits(schema.anyOf![at]!, value));
  }
  if (schema.const !== undefined) return text === String(schema.const) ? schema.const : undefined;
  switch (schema.type) {
    case "integer":
    case "number":
      return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : undefined;
    case "string":
      return text;
    case "array":
      if (!text.trimStart().startsWith("[") && schema.items?.type !== "object") {
        const items = text === "" ? [] : text.split(",");
        // What is no such item stays as it was written, and is found not to fit.
        return items.map((item) => parseText(schema.items ?? { type: "string" }, item.trim()) ?? item.trim());
      }
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function fits(schema: SettingSchema, value: unknown): boolean {
  return value !== undefined && Value.Check(schema as TSchema, value);
}

/** What a person may write there: `integer from 1 to 65535`. */
export function describeWanted(schema: SettingSchema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(describeWanted).join(" or ");
  if (schema.const !== undefined) return String(schema.const);
  if (schema.type === "boolean") return "true or false";
  if (schema.type === "array") return `list of ${describeWanted(schema.items ?? { type: "string" })}`;
  if (schema.properties !== undefined) return `{${Object.keys(schema.properties).join(", ")}}`;
  const name = schema.type === "string" ? "text" : (schema.type ?? "value");
  const { minimum, maximum, minLength, maxLength, pattern } = schema;
  const bounds = [
    minimum === undefined ? "" : maximum === undefined ? ` of at least ${minimum}` : ` from ${minimum} to ${maximum}`,
    minimum === undefined && maximum !== undefined ? ` of at most ${maximum}` : "",
    minLength === undefined ? "" : ` of at least ${minLength} characters`,
    maxLength === undefined ? "" : ` of at most ${maxLength} characters`,
    pattern === undefined ? "" : ` like ${pattern}`,
  ];
  return name + bounds.join("");
}
