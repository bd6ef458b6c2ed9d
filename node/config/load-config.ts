import { readFileSync } from "node:fs";
import { describeFileReason, fileReason } from "@leat/sdk/base/file-reasons.ts";
import { ConfigError, type ConfigSource, excess, unknownKey } from "./errors.ts";
import { findMisfit, type Misfit } from "./misfit.ts";
import { type ConfigValues, describeWanted, listSettings, parseText, type Sections, type Setting } from "./settings.ts";

/** Where a value came from: `name` is the flag, the variable or the file. */
export interface ConfigOrigin {
  readonly source: ConfigSource;
  readonly name: string;
}

export interface LoadedConfig<S extends Sections> {
  /** Frozen, at every depth. */
  readonly values: ConfigValues<S>;
  /** By key: `http.port`. */
  readonly origins: Readonly<Record<string, ConfigOrigin>>;
}

export interface LoadConfigOptions<S extends Sections> {
  readonly sections: S;
  /** Flags such as `--http.port 8080` or `--http.port=8080`; nothing else may stand there. */
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A JSON file of sections. Without it, LEAT_CONFIG names one. */
  readonly file?: string;
  /** What stands above the defaults alone, by key; asked when all the rest is known. */
  readonly below?: (read: (key: string) => unknown) => Layer | undefined;
}

export interface Layer {
  /** The file that it comes from. */
  readonly name: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** A variable that names the file is no setting. */
const FILE_VARIABLE = "LEAT_CONFIG";

interface Found {
  readonly value: unknown;
  readonly origin: ConfigOrigin;
}

/**
 * Default, network, file, environment, flag: the last wins. Throws a ConfigError for anything that is not a known setting
 * in bounds.
 */
export function loadConfig<const S extends Sections>(options: LoadConfigOptions<S>): LoadedConfig<S> {
  const settings = listSettings(options.sections);
  const found = new Map<string, Found>();
  for (const { key, schema } of settings) {
    if (schema.default !== undefined)
      found.set(key, { value: schema.default, origin: { source: "default", name: "" } });
  }
  const env = options.env ?? {};
  const file = options.file ?? env[FILE_VARIABLE];
  if (file !== undefined) readFileValues(file, settings, found);
  readEnvironment(env, settings, found);
  readFlags(options.argv ?? [], settings, found);
  const layer = options.below?.((key) => found.get(key)?.value);
  for (const [key, value] of Object.entries(layer?.values ?? {})) {
    const origin = found.get(key)?.origin;
    if (origin === undefined || origin.source === "default") {
      found.set(key, { value, origin: { source: "network", name: layer!.name } });
    }
  }

  const values: Record<string, unknown> = Object.fromEntries(Object.keys(options.sections).map((name) => [name, {}]));
  for (const setting of settings) {
    const entry = found.get(setting.key);
    if (entry !== undefined) put(values, setting.path, check(setting, entry));
    else if (setting.required) throw missing(setting);
  }
  const origins = Object.fromEntries([...found].map(([key, { origin }]) => [key, origin]));
  return { values: deepFreeze(values) as ConfigValues<S>, origins: Object.freeze(origins) };
}

function readFileValues(path: string, settings: readonly Setting[], found: Map<string, Found>): void {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const reason = fileReason(cause);
    throw new ConfigError(
      { code: "CONFIG_FILE_UNREADABLE", path, reason },
      { cause, message: `the settings file ${path} cannot be read as JSON: ${describeFileReason(reason)}` },
    );
  }
  walk([], content);

  function walk(at: readonly string[], value: unknown): void {
    const key = at.join(".");
    const setting = settings.find((one) => one.key === key);
    if (setting !== undefined) {
      found.set(key, { value, origin: { source: "file", name: path } });
      return;
    }
    const isFolder = at.length === 0 || settings.some((one) => one.key.startsWith(`${key}.`));
    if (!isFolder)
      throw unknownKey(
        key,
        "file",
        settings.map((one) => one.key),
        path,
      );
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw notAFolder(key, value, path);
    for (const [name, inner] of Object.entries(value)) walk([...at, name], inner);
  }
}

function readEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  settings: readonly Setting[],
  found: Map<string, Found>,
): void {
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith("LEAT_") || variable === FILE_VARIABLE || text === undefined) continue;
    const setting = settings.find((one) => one.variable === variable);
    if (setting === undefined)
      throw unknownKey(
        variable,
        "environment",
        settings.map((one) => one.variable),
      );
    found.set(setting.key, read(setting, text, { source: "environment", name: variable }));
  }
}

function readFlags(argv: readonly string[], settings: readonly Setting[], found: Map<string, Found>): void {
  for (let at = 0; at < argv.length; at += 1) {
    const [, key, inline] = /^--([^=]*)(?:=([\s\S]*))?$/.exec(argv[at]!) ?? [];
    const setting = settings.find((one) => one.key === key);
    if (setting === undefined) {
      const name = argv[at]!.split("=")[0]!;
      if (!name.startsWith("-")) throw excess(argv[at]!);
      throw unknownKey(
        name,
        "flag",
        settings.map((one) => `--${one.key}`),
      );
    }
    const origin: ConfigOrigin = { source: "flag", name: `--${setting.key}` };
    const next = argv[at + 1];
    let text = inline;
    if (text === undefined && setting.schema.type === "boolean" && next !== "true" && next !== "false") text = "true";
    if (text === undefined) {
      if (next === undefined || /^--[a-z]/i.test(next)) throw invalid(setting, origin, "nothing");
      text = next;
      at += 1;
    }
    found.set(setting.key, read(setting, text, origin));
  }
}

function read(setting: Setting, text: string, origin: ConfigOrigin): Found {
  const value = parseText(setting.schema, text);
  if (value === undefined) throw invalid(setting, origin, text);
  return { value, origin };
}

function check(setting: Setting, { value, origin }: Found): unknown {
  const misfit = findMisfit(setting.schema, value);
  if (misfit !== undefined) throw refuse(setting, origin, misfit);
  return structuredClone(value);
}

/** A text that is no value of the setting's kind at all. */
function invalid(setting: Setting, origin: ConfigOrigin, text: string): ConfigError {
  const { description } = setting.schema;
  const about = description === undefined ? {} : { about: description };
  return refuse(setting, origin, {
    at: "",
    found: text.slice(0, 200),
    wanted: describeWanted(setting.schema),
    ...about,
  });
}

function refuse(setting: Setting, origin: ConfigOrigin, misfit: Misfit): ConfigError {
  const { key, schema } = setting;
  const { at, wanted } = misfit;
  const found = schema.secret === true ? "***" : misfit.found;
  // A pattern alone tells few what to write.
  const about = wanted.includes(" like ") ? ` (${misfit.about ?? schema.description ?? key})` : "";
  const isFile = ["file", "network"].includes(origin.source);
  const name = isFile ? key : origin.name || key;
  const place = `${name}${at}${isFile ? ` in ${origin.name}` : ""}`;
  return new ConfigError(
    { code: "CONFIG_VALUE_INVALID", key, source: origin.source, ...(at === "" ? {} : { at }), wanted, found },
    { message: `${place} is ${found}, wanted is ${wanted}${about}` },
  );
}

function notAFolder(key: string, value: unknown, path: string): ConfigError {
  const wanted = key === "" ? "a JSON object of sections" : "a JSON object of settings";
  const found = JSON.stringify(value).slice(0, 200);
  return new ConfigError(
    { code: "CONFIG_VALUE_INVALID", key, source: "file", wanted, found },
    { message: `${key === "" ? path : `${key} in ${path}`} is ${found}, wanted is ${wanted}` },
  );
}

function missing(setting: Setting): ConfigError {
  const wanted = describeWanted(setting.schema);
  return new ConfigError(
    { code: "CONFIG_VALUE_MISSING", key: setting.key, wanted },
    { message: `${setting.key} is not set; give --${setting.key} or ${setting.variable} (${wanted})` },
  );
}

function put(values: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = values;
  for (const name of path.slice(0, -1)) {
    at[name] ??= {};
    at = at[name] as Record<string, unknown>;
  }
  at[path.at(-1)!] = value;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
