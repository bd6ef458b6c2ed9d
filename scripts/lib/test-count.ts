export interface TestCount {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const noTests: TestCount = { passed: 0, failed: 0, skipped: 0 };

/** What mocha says at the end of a run: `12 passing (3s)`, `1 failing`, `2 pending`. */
const summaryPattern = /^\s*(\d+) (passing|failing|pending|skipped)\b/;
/** What Hardhat adds after mocha's own: `4 passing (2 solidity, 2 mocha)`. Of it only the Solidity tests are new. */
const hardhatPattern = /\((?:(\d+) solidity)?(?:, )?(?:\d+ mocha)?\)/;
// Built from its code: a control character has no place in a pattern's text.
const colourPattern = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");
const nameOf = { passing: "passed", failing: "failed", pending: "skipped", skipped: "skipped" } as const;

const failuresPattern = /^\s*\d+ failing\b/;
const FAILURES_MAX_CHARS = 12_000;

/** Sums the summaries in an output. A test whose own name looks like a summary line would count: none may. */
export function countTests(output: string): TestCount {
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const line of output.replaceAll(colourPattern, "").split("\n")) {
    const match = summaryPattern.exec(line);
    if (match === null) continue;
    const hardhat = hardhatPattern.exec(line);
    count[nameOf[match[2] as keyof typeof nameOf]] += Number(hardhat === null ? match[1] : (hardhat[1] ?? 0));
  }
  return count;
}

export function addCounts(left: TestCount, right: TestCount): TestCount {
  return {
    passed: left.passed + right.passed,
    failed: left.failed + right.failed,
    skipped: left.skipped + right.skipped,
  };
}

/** The last line of a test run. */
export function describeCount({ passed, failed, skipped }: TestCount): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/**
 * The count of a suite that ended. A suite that exits with an error fails at least once, and so does one of counted
 * tests that says it passed none: silence is no success.
 */
export function judgeSuite(output: string, exitCode: number | null, counted: boolean): TestCount {
  if (!counted) return exitCode === 0 ? { ...noTests, passed: 1 } : { ...noTests, failed: 1 };
  const count = countTests(output);
  const fails = exitCode !== 0 || count.passed + count.skipped === 0;
  return fails && count.failed === 0 ? { ...count, failed: 1 } : count;
}

/**
 * What an output tells of the tests that failed, to be told once more at the end of a run: all from the first summary
 * with failures on, or else its end, where a suite broke off or is not one of counted tests.
 */
export function failuresIn(output: string): string {
  const lines = output.replaceAll(colourPattern, "").trimEnd().split("\n");
  const start = lines.findIndex((line) => failuresPattern.test(line));
  if (start < 0) return lines.join("\n").slice(-FAILURES_MAX_CHARS);
  return lines.slice(start).join("\n").slice(0, FAILURES_MAX_CHARS);
}
