import type { BenchCase, BenchOptions, BenchResult } from "../case.ts";

export interface BenchOutput {
  readonly result: (text: string) => void;
  /** Progress, and what fell short. */
  readonly notes: (text: string) => void;
}

export interface RunOptions extends Omit<BenchOptions, "log"> {
  /** One benchmark is its own object; several stand under their names. */
  readonly json?: "one" | "named" | undefined;
}

/** Runs one after the other and prints what they found. Gives the exit code: 1 where one fell short. */
export async function runCases(
  cases: ReadonlyMap<string, BenchCase>,
  { json, ...options }: RunOptions,
  { result: print, notes }: BenchOutput,
): Promise<number> {
  const results: [string, BenchResult][] = [];
  for (const [name, run] of cases) {
    const result = await run({ ...options, log: (line) => notes(`${name}: ${line}\n`) });
    print(`\n${name}\n${renderTable(result.rows)}\n`);
    results.push([name, result]);
  }
  if (json !== undefined) {
    const all = results.map(([name, result]) => [name, result.json] as const);
    print(`${JSON.stringify(json === "one" ? all[0]?.[1] : Object.fromEntries(all))}\n`);
  }
  const short = results.flatMap(([, { shortfall }]) => shortfall ?? []);
  for (const { code, message } of short) notes(`${message.startsWith(code) ? message : `${code}: ${message}`}\n`);
  return short.length === 0 ? 0 : 1;
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
