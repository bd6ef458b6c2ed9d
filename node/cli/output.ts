import { CodedError, isCodedError } from "@leat/sdk/base/errors.ts";
import type { Command } from "commander";

/** Misuse of the command line itself. */
export class UsageError extends CodedError<{ code: "CLI_USAGE" }> {
  constructor(message: string) {
    super({ code: "CLI_USAGE" }, { message });
  }
}

export const EXIT_EXPECTED = 1;
/** EX_SOFTWARE of sysexits: a bug, not a failure that the user can mend. */
export const EXIT_BUG = 70;

export function wantsJson(command: Command): boolean {
  return command.optsWithGlobals<{ json?: boolean }>().json === true;
}

/** A command's answer: `value` as one JSON line with `--json`, otherwise what `render` says for people. */
export function printResult<T>(command: Command, value: T, render: (value: T) => string): void {
  process.stdout.write(`${wantsJson(command) ? toJson(value) : render(value)}\n`);
}

/** JSON with bigints as decimal strings. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? inner.toString() : inner));
}

export function renderTable(rows: readonly Readonly<Record<string, unknown>>[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const lines = [columns, ...rows.map((row) => columns.map((column) => renderCell(row[column])))];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)));
  return lines
    .map((line) =>
      line
        .map((cell, at) => cell.padEnd(widths[at]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Says what went wrong and gives the exit code: one line for an expected failure, the stack for a bug. */
export function reportError(error: unknown, json: boolean): number {
  const coded = isCodedError(error);
  const code = coded ? error.code : "INTERNAL";
  const message = describeError(error, code);
  if (json) process.stdout.write(`${toJson({ error: { code, message } })}\n`);
  if (coded && !json) process.stderr.write(`${code}: ${message}\n`);
  if (!coded) process.stderr.write(`${error instanceof Error ? (error.stack ?? message) : message}\n`);
  return coded ? EXIT_EXPECTED : EXIT_BUG;
}

function describeError(error: unknown, code: string): string {
  const message = error instanceof Error ? error.message : String(error);
  // An error without a sentence of its own begins with its code already.
  return message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
}

function renderCell(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? toJson(value) : String(value);
}
