import { spawn } from "node:child_process";
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Branch, instrumentBranches } from "./branches.ts";
import { type Coverage, describeCoverage, isWhole, reportCoverage } from "./coverage-report.ts";
import { readProgram } from "./syntax-tree.ts";

/**
 * Line and branch coverage of the contracts by their own tests. It runs in a copy of the checkout: instrumented contracts
 * must never be found where gas is measured or anything is deployed from.
 */

const root = join(import.meta.dirname, "../..");
const copied = ["contracts", "scripts", "sdk", "test", "node", "transcoder", "package.json", "tsconfig.json"];
const configs = ["hardhat.config.ts", "hardhat.coverage.config.ts", ".mocharc.json"];
const FIRST_MARK = 1_000_000;
/** What a deployment may take is planned for the contracts as they are; every statement that tells of itself costs more. */
const plannedGas = /^const (deployGas|callGas) = ([\d_]+)n;$/gm;

export async function measureCoverage(print: (text: string) => void, keep = false): Promise<Coverage> {
  const place = mkdtempSync(join(tmpdir(), "leat-coverage-"));
  try {
    const { branches, lengths } = prepare(place);
    if (keep) print(`Works in ${place}\n`);
    await runTests(place, print);
    return reportCoverage(readFileSync(join(place, "coverage/lcov.info"), "utf8"), readMarks(place), branches, lengths);
  } finally {
    if (!keep) rmSync(place, { recursive: true, force: true });
  }
}

function prepare(place: string): { branches: Branch[]; lengths: Map<string, number> } {
  for (const path of [...copied, ...configs]) {
    cpSync(join(root, path), join(place, path), { recursive: true, filter: (from) => !from.endsWith("/node_modules") });
  }
  for (const path of globSync("{.,*}/node_modules", { cwd: root })) symlinkSync(join(root, path), join(place, path));
  const plan = join(place, "scripts/deployment/plan.ts");
  writeFileSync(plan, readFileSync(plan, "utf8").replaceAll(plannedGas, "const $1 = 10n * $2n;"));
  const paths = globSync("contracts/**/*.sol", { cwd: root }).filter((path) => !path.startsWith("contracts/mocks/"));
  const program = readProgram(Object.fromEntries(paths.map((path) => [path, readFileSync(join(root, path), "utf8")])));
  const branches: Branch[] = [];
  const lengths = new Map<string, number>();
  for (const file of program.files.filter(({ path }) => paths.includes(path))) {
    const made = instrumentBranches(program, file, FIRST_MARK + 2 * branches.length);
    branches.push(...made.branches);
    lengths.set(file.path, file.bytes.toString("utf8").trimEnd().split("\n").length);
    writeFileSync(join(place, file.path), made.text);
  }
  return { branches, lengths };
}

/** All contract tests but those of gas, which says nothing here, and those on a chain that cannot tell what was run. */
async function runTests(place: string, print: (text: string) => void): Promise<void> {
  const tests = globSync("test/contracts/**/*.{test.ts,t.sol}", { cwd: place }).filter(
    (path) =>
      !/\/(snapshots|gas)\.test\.ts$/.test(path) && !readFileSync(join(place, path), "utf8").includes("openAnvil"),
  );
  const program = join(place, "node_modules/.bin/hardhat");
  const args = ["--config", "hardhat.coverage.config.ts", "--coverage", "test", ...tests.toSorted()];
  const child = spawn(program, args, { cwd: place, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.setEncoding("utf8").on("data", print);
  child.stderr.setEncoding("utf8").on("data", print);
  const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (code !== 0) throw new Error("tests fail on the instrumented contracts");
}

function readMarks(place: string): Set<string> {
  const files = globSync("coverage/data/**/*.json", { cwd: place });
  return new Set(files.flatMap((path) => Object.keys(JSON.parse(readFileSync(join(place, path), "utf8")) as object)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const coverage = await measureCoverage((text) => process.stdout.write(text), process.argv.includes("--keep"));
  process.stdout.write(describeCoverage(coverage));
  process.exitCode = isWhole(coverage) ? 0 : 1;
}
