import { globSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { BenchCase } from "./case.ts";
import { runCases } from "./support/run-cases.ts";

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
  const cases = new Map<string, BenchCase>();
  for (const name of positionals.length > 0 ? positionals : names) {
    const { run, isLong = false } = (await import(
      pathToFileURL(join(import.meta.dirname, `${name}.ts`)).href
    )) as BenchFile;
    if (!isLong || positionals.length > 0) cases.set(name, run);
  }
  const json = positionals.length === 1 ? "one" : "named";
  const options = { signal: controller.signal, ...(minutes === undefined ? {} : { minutes }) };
  return runCases(
    cases,
    { ...options, json: values.json ? json : undefined },
    { result: (text) => void process.stdout.write(text), notes: (text) => void process.stderr.write(text) },
  );
}
