import { CodedError, type ErrorDetail, isCodedError } from "@leat/sdk/base/errors.ts";
import { describeFileReason, fileReason } from "@leat/sdk/base/file-reasons.ts";
import type { Command } from "commander";
import { describeFailure } from "../texts/table.ts";

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

/** What a command says could not be written: the disk is full, or whoever read it is gone. */
export class OutputError extends CodedError<{ code: "CLI_OUTPUT_UNWRITABLE"; reason: string }> {}

/** A failure of our own output is told where it still can be, once, instead of ending the process with a stack. */
export function watchOutput(): void {
  let isTold = false;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (isTold) return;
    isTold = true;
    process.exitCode = EXIT_EXPECTED;
    const reason = fileReason(error);
    const why = reason === "EPIPE" ? "whoever read it is gone, EPIPE" : describeFileReason(reason);
    const message = `what this command says cannot be written (${why})`;
    reportError(new OutputError({ code: "CLI_OUTPUT_UNWRITABLE", reason }, { cause: error, message }), false);
  });
  process.stderr.on("error", () => {
    process.exitCode = EXIT_EXPECTED;
  });
}

/** Says what went wrong and gives the exit code: one line for an expected failure, the stack for a bug. */
export function reportError(error: unknown, json: boolean): number {
  const failure = describeFailure(endpointFailureOf(error) ?? error);
  if (failure !== undefined) {
    if (json) process.stdout.write(`${toJson({ error: failure })}\n`);
    else process.stderr.write(`${failure.code}: ${failure.message}\n`);
    return EXIT_EXPECTED;
  }
  const message = error instanceof Error ? error.message : String(error);
  if (json) process.stdout.write(`${toJson({ error: { code: "INTERNAL", message } })}\n`);
  process.stderr.write(`${error instanceof Error ? (error.stack ?? message) : message}\n`);
  return EXIT_BUG;
}

/** By name: whoever asks for help must not wait until viem is loaded. */
const endpointFailures = ["HttpRequestError", "TimeoutError", "RpcRequestError"];
/** It answered. */
const ANSWERED = "RpcRequestError";

/** What the chain's endpoint did, where it did not answer as one. Its address may hold a key and is left out. */
function endpointFailureOf(error: unknown): CodedError<ErrorDetail> | undefined {
  let at = error;
  while (at instanceof Error && !endpointFailures.includes(at.name)) at = at.cause;
  if (isCodedError(error) || !(at instanceof Error)) return undefined;
  const { body, details } = at as { body?: { method?: string }; details?: string };
  const said = (details ?? at.message).split("\n")[0]!.replace(/\b[a-z]{2,5}:\/\/\S+/g, "URL");
  return new CodedError(
    {
      code: at.name === ANSWERED ? "CHAIN_CALL_REFUSED" : "CHAIN_UNREACHABLE",
      method: body?.method ?? "a call",
      reason: said,
    },
    { cause: error },
  );
}

function renderCell(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? toJson(value) : String(value);
}
