import { readFile } from "node:fs/promises";
import process from "node:process";
import { text } from "node:stream/consumers";
import { CodedError } from "@leat/sdk/base/errors.ts";
import { fileReason } from "@leat/sdk/base/file-reasons.ts";
import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";

/** A file that the command line names cannot be read, or does not hold what it should. */
export class GivenFileError extends CodedError<
  | { code: "CLI_FILE_UNREADABLE"; name: string; path: string; reason: string }
  | { code: "CLI_FILE_INVALID"; name: string; path: string; reason: string; page: string }
> {}

export interface JsonFile<S extends TSchema> {
  /** What it is called to people: "targets". */
  readonly name: string;
  /** `-` for stdin. */
  readonly path: string;
  readonly schema: S;
  /** Where its form is shown. */
  readonly page: string;
}

/** What a file holds that a command was given. What it holds may be secret: only the names of its fields are told. */
export async function readJsonFile<S extends TSchema>({ name, path, schema, page }: JsonFile<S>): Promise<Static<S>> {
  let value: unknown;
  try {
    value = JSON.parse(path === "-" ? await text(process.stdin) : await readFile(path, "utf8"));
  } catch (cause) {
    throw new GivenFileError({ code: "CLI_FILE_UNREADABLE", name, path, reason: fileReason(cause) }, { cause });
  }
  if (Value.Check(schema, value)) return value;
  throw new GivenFileError({ code: "CLI_FILE_INVALID", name, path, reason: describeMisfit(schema, value), page });
}

/** The first field that does not fit, and why: `[0].url is missing`. */
export function describeMisfit(schema: TSchema, value: unknown): string {
  const variants = (schema as { readonly anyOf?: readonly Variant[] }).anyOf ?? [];
  const chosen = variants.find(
    ({ properties }) => properties?.type?.const === (value as { type?: unknown } | null)?.type,
  );
  if (variants.length > 0 && chosen === undefined) {
    return `type must be ${listAllowed(variants.map(({ properties }) => properties?.type?.const))}`;
  }
  const faults = Value.Errors(chosen ?? schema, value);
  const [first] = faults;
  if (first === undefined) return "it is of another form";
  const { keyword, instancePath, message } = first;
  const field = fieldOf(instancePath);
  if (keyword === "required") {
    const missing = (first.params as { requiredProperties: readonly string[] }).requiredProperties;
    return `${missing.map((one) => fieldOf(`${instancePath}/${one}`)).join(", ")} is missing`;
  }
  if (keyword === "boolean") return `no field is called ${field}`;
  if (keyword === "const") {
    const here = faults.filter((fault) => fault.keyword === "const" && fault.instancePath === instancePath);
    return `${field} must be ${listAllowed(here.map(({ params }) => (params as { allowedValue: unknown }).allowedValue))}`;
  }
  return `${field} ${message}`;
}

type Variant = TSchema & { readonly properties?: { readonly type?: { readonly const?: unknown } } };

/** `/0/url` as `[0].url`. */
function fieldOf(pointer: string): string {
  if (pointer === "") return "what it holds";
  return pointer
    .replace(/\/(\d+)(?=\/|$)/g, "[$1]")
    .replaceAll("/", ".")
    .replace(/^\./, "");
}

function listAllowed(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value)).join(" or ");
}
