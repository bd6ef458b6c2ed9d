import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import hre from "hardhat";

/**
 * Runs the contracts' invariants over random sequences of calls, counts the calls that were made and prints them. What
 * the profile promises is not enough: a run that ends early would pass unseen.
 */

interface Campaign {
  readonly name: string;
  readonly passed: boolean;
  readonly calls: number;
  readonly reverts: number;
  /** Calls of each step. */
  readonly steps: ReadonlyMap<string, number>;
}

/** Of `test solidity`'s answer what is read here. */
interface TestRun {
  readonly value?: { readonly suiteResults: readonly SuiteResult[] };
  readonly error?: { readonly suiteResults: readonly SuiteResult[] };
}

interface SuiteResult {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly kind: {
      readonly calls?: bigint;
      readonly reverts?: bigint;
      readonly metrics?: Readonly<Record<string, { readonly calls: bigint }>>;
    };
  }[];
}

export async function runInvariants(testProfile: string): Promise<Campaign[]> {
  const testFiles = hre.config.paths.tests.solidity;
  const run = (await hre.tasks
    .getTask(["test", "solidity"])
    .run({ testProfile, testFiles: [], grep: "^invariant_" })) as TestRun;
  const suites = (run.value ?? run.error)?.suiteResults;
  if (suites === undefined) throw new Error(`no answer from the tests in ${testFiles}`);
  return suites
    .flatMap((suite) => suite.testResults)
    .filter((test) => test.kind.calls !== undefined)
    .map((test) => ({
      name: test.name,
      passed: test.status === "Success",
      calls: Number(test.kind.calls),
      reverts: Number(test.kind.reverts),
      steps: new Map(Object.entries(test.kind.metrics ?? {}).map(([name, { calls }]) => [name, Number(calls)])),
    }));
}

export function describeCampaigns(campaigns: readonly Campaign[]): string {
  const lines = campaigns.flatMap((campaign) => [
    `${campaign.passed ? "holds" : "BROKEN"}  ${campaign.name}: ${campaign.calls} calls, ${campaign.reverts} failed`,
    ...[...campaign.steps].toSorted().map(([step, calls]) => `    ${String(calls).padStart(7)}  ${step}`),
  ]);
  return `${lines.join("\n")}\nInvariant calls: ${sumCalls(campaigns)}\n`;
}

export function sumCalls(campaigns: readonly Campaign[]): number {
  return campaigns.reduce((sum, campaign) => sum + campaign.calls, 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { profile: { type: "string", default: "long" }, least: { type: "string", default: "500000" } },
  });
  const campaigns = await runInvariants(values.profile);
  process.stdout.write(describeCampaigns(campaigns));
  const enough = sumCalls(campaigns) >= Number(values.least);
  if (!enough) process.stdout.write(`Fewer than ${values.least} calls were made.\n`);
  process.exitCode = enough && campaigns.every((campaign) => campaign.passed) ? 0 : 1;
}
