import { globSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { BenchCase, BenchResult } from "./case.ts";

const names = globSync("*.ts", { cwd: import.meta.dirname })
  .map((file) => basename(file, ".ts"))
  .filter((name) => name !== "main" && name !== "case")
  .sort();

interface BenchFile {
  readonly run: BenchCase;
  readonly isLong?: boolean;
}

process.exitCode = await main();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { json: { type: "boolean", default: false }, minutes: { type: "string" } },
    allowPositionals: true,
  });
  const unknown = positionals.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    process.stderr.write(`BENCH_UNKNOWN: no benchmark ${unknown.join(", ")}; there are ${names.join(", ")}\n`);
    return 1;
  }
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
  if (minutes !== undefined && !(minutes > 0)) {
    process.stderr.write("BENCH_MINUTES_INVALID: --minutes takes a number above 0\n");
    return 1;
  }
  const controller = new AbortController();
  process.once("SIGINT", () => controller.abort());
  const chosen = positionals.length > 0 ? positionals : names;
  const results: [string, BenchResult][] = [];
  for (const name of chosen) {
    const { run, isLong = false } = (await import(
      pathToFileURL(join(import.meta.dirname, `${name}.ts`)).href
    )) as BenchFile;
    if (isLong && positionals.length === 0) continue;
    const log = (line: string) => process.stderr.write(`${name}: ${line}\n`);
    const result = await run({ log, signal: controller.signal, ...(minutes === undefined ? {} : { minutes }) });
    process.stdout.write(`\n${name}\n${renderTable(result.rows)}\n`);
    results.push([name, result]);
  }
  if (values.json) {
    // One benchmark is its own object; all of them stand under their names.
    const json =
      positionals.length === 1 ? results[0]?.[1].json : Object.fromEntries(results.map(([n, r]) => [n, r.json]));
    process.stdout.write(`${JSON.stringify(json)}\n`);
  }
  return 0;
}

function renderTable(rows: BenchResult["rows"]): string {
  const columns = Object.keys(rows[0] ?? {});
  const lines = [columns, ...rows.map((row) => columns.map((column) => renderCell(row[column])))];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)));
  return lines.map((line) => line.map((cell, at) => cell.padStart(widths[at]!)).join("  ")).join("\n");
}

function renderCell(value: string | number | undefined): string {
  if (typeof value !== "number") return value ?? "";
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}
