import { existsSync, globSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { runAhead, runSuite, type Suite } from "./run-suite.ts";
import { addCounts, describeCount, noTests } from "./test-count.ts";
import { ensurePlayers } from "./test-players.ts";
import { ensurePrograms, testPrograms } from "./test-programs.ts";

const root = resolve(import.meta.dirname, "../..");
const MINUTE_MS = 60_000;

const usage = `scripts/test [--long] [--only GLOB]

  --long       also the suites that take hours
  --only GLOB  the files that match, and nothing else

Its last line is the count: "N passed, N failed", with ", N skipped" where some were.
`;

process.exitCode = await main();

async function main(): Promise<number> {
  let count = noTests;
  const failures: string[] = [];
  try {
    const { values } = parseArgs({
      options: {
        long: { type: "boolean", default: false },
        only: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      print(usage);
      return 0;
    }
    if (values.only === undefined || values.only.includes("interop")) {
      await ensurePrograms(testPrograms, print);
      ensurePlayers(join(root, "test/players"), print);
    }
    const suites = chooseSuites(values);
    const ahead = new Map(suites.filter(({ early }) => early === true).map((suite) => [suite, runAhead(suite, root)]));
    for (const suite of suites) {
      print(`\n== ${suite.name}\n`);
      const result = await (ahead.get(suite)?.(print) ?? runSuite(suite, root, print));
      count = addCounts(count, result.count);
      if (result.failures !== "") failures.push(`\n== what failed in ${suite.name}\n\n${result.failures}\n`);
    }
  } catch (error) {
    print(`${error instanceof Error ? error.message : String(error)}\n`);
    count = addCounts(count, { ...noTests, failed: 1 });
  }
  if (count.passed + count.failed === 0) count = { ...count, failed: 1 };
  // Once more where a reader of the end of a long log finds it.
  print(failures.join(""));
  print(`\n${describeCount(count)}\n`);
  return count.failed === 0 ? 0 : 1;
}

function chooseSuites(options: { long?: boolean; only?: string }): Suite[] {
  if (options.only !== undefined) return chooseOnly(options.only);
  // Backwards: what takes longest is of the transcoder, and must not run alone at the end.
  const unit = list("test/**/*.test.ts")
    .filter((path) => !/^test\/(e2e|contracts)\//.test(path))
    .reverse();
  // A payee and its chain, without media that must keep up: they mind no neighbour.
  const payees = list("test/e2e/faults/*.test.ts");
  const endToEnd = list("test/e2e/*.test.ts");
  const long = options.long === true ? list("test/**/*.long.ts") : [];
  const contracts = list("test/contracts/**/*.{ts,sol}");
  return [
    check("lint", ["biome", "check", "."]),
    // Each checker more does again what another did: four take twice the processor time of one.
    check("types", ["tsc", "--noEmit", "--checkers", "1"]),
    check("solidity lint", ["solhint", "-c", ".solhint.cjs", "--disc", "--noPoster", "-w", "0", "contracts/**/*.sol"]),
    // Files in processes of their own, two at a time: a unit test shares nothing with another file.
    ...(unit.length > 0 ? [mochaSuite("unit", ["--parallel", "--jobs", "2", ...payees, ...unit], 24)] : []),
    // One after the other: they start real networks, whose media must keep up.
    ...(endToEnd.length > 0 ? [mochaSuite("end to end", endToEnd, 24)] : []),
    // Last, so that nobody waits for their compiler.
    ...(contracts.length > 0 ? [compileSuite(), contractSuite([])] : []),
    ...(long.length > 0 ? [mochaSuite("long", long, 240)] : []),
    ...(options.long === true ? [proof("coverage", "coverage.ts", 60), proof("invariants", "invariants.ts", 60)] : []),
  ];
}

/** A measurement of the contracts that fails by itself where it falls short. It may be silent all along. */
function proof(name: string, file: string, limitMinutes: number): Suite {
  const command: Suite["command"] = ["node", join(root, "scripts/proof", file)];
  const limitMs = limitMinutes * MINUTE_MS;
  return { name, command, counted: false, limitMs, silenceMs: limitMs };
}

function chooseOnly(pattern: string): Suite[] {
  const files = list(pattern);
  if (files.length === 0) throw new Error(`no test file matches ${pattern}`);
  const contracts = files.filter((path) => path.startsWith("test/contracts/"));
  const others = files.filter((path) => !path.startsWith("test/contracts/"));
  return [
    ...(contracts.length > 0 ? [compileSuite(), contractSuite(contracts)] : []),
    ...(others.length > 0 ? [mochaSuite("chosen", others, 60)] : []),
  ];
}

function check(name: string, [program, ...args]: [string, ...string[]]): Suite {
  return { name, command: [bin(program), ...args], counted: false, limitMs: 3 * MINUTE_MS, silenceMs: 3 * MINUTE_MS };
}

/**
 * The contracts' tests in Solidity: the set-up compiled the contracts alone. The compiler says nothing meanwhile, and
 * takes one processor for minutes: it runs beside all that comes before them.
 */
function compileSuite(): Suite {
  const limitMs = 9 * MINUTE_MS;
  return {
    name: "compile",
    command: [bin("hardhat"), "build"],
    counted: false,
    limitMs,
    silenceMs: limitMs,
    early: true,
  };
}

function contractSuite(files: string[]): Suite {
  const command: Suite["command"] = [bin("hardhat"), "test", ...files];
  return { name: "contracts", command, counted: true, limitMs: 9 * MINUTE_MS, silenceMs: 5 * MINUTE_MS };
}

function mochaSuite(name: string, args: string[], limitMinutes: number): Suite {
  const command: Suite["command"] = [bin("mocha"), ...args];
  return { name, command, counted: true, limitMs: limitMinutes * MINUTE_MS, silenceMs: 5 * MINUTE_MS };
}

function bin(program: string): string {
  const path = join(root, "node_modules", ".bin", program);
  if (!existsSync(path)) throw new Error(`${program} is not installed: remove node_modules and run scripts/test again`);
  return path;
}

function list(pattern: string): string[] {
  return globSync(pattern, { cwd: root }).sort();
}

function print(text: string): void {
  process.stdout.write(text);
}
