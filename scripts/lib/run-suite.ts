import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { failuresIn, judgeSuite, type TestCount } from "./test-count.ts";

export interface Suite {
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
  /** Whether its output tells how many tests passed; otherwise the suite counts as one. */
  readonly counted: boolean;
  /** A suite that takes longer is killed: longer from when its turn has come, where it runs ahead. */
  readonly limitMs: number;
  /** So is one that says nothing for this long after it began to speak. */
  readonly silenceMs: number;
  /** Whether it runs beside those before it, on what they leave of the processors. */
  readonly early?: boolean;
}

export interface SuiteResult {
  readonly count: TestCount;
  /** What it said of what failed; empty where nothing did. */
  readonly failures: string;
}

/**
 * Runs a suite with its output passed on as it comes. Never rejects: what goes wrong is a failed test.
 * @param turn Before this nobody waits for the suite, and it is not killed.
 */
export function runSuite(
  suite: Suite,
  cwd: string,
  print: (text: string) => void,
  turn: Promise<void> = Promise.resolve(),
): Promise<SuiteResult> {
  return new Promise((resolve) => {
    const [program, ...args] = suite.command;
    // Its own process group, so that a hung suite goes with all that it started.
    const child = spawn(program, args, { cwd, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    if (suite.early === true) yieldProcessors(child.pid);
    let output = "";
    let hung = false;
    const say = (text: string) => {
      output += text;
      print(text);
    };
    const kill = (reason: string) => {
      hung = true;
      say(`\nSuite ${suite.name} hangs: ${reason}. It is killed.\n`);
      killGroup(child.pid);
    };
    let limit: NodeJS.Timeout | undefined;
    let silence: NodeJS.Timeout | undefined;
    let over = false;
    const watchSilence = () => {
      clearTimeout(silence);
      if (limit === undefined || output === "") return;
      silence = setTimeout(() => kill(`it said nothing for ${suite.silenceMs / 60_000} minutes`), suite.silenceMs);
    };
    void turn.then(() => {
      if (over) return;
      limit = setTimeout(() => kill(`it ran for ${suite.limitMs / 60_000} minutes`), suite.limitMs);
      watchSilence();
    });
    const hear = (chunk: string) => {
      say(chunk);
      watchSilence();
    };
    const passOnInterrupt = () => killGroup(child.pid);
    process.once("SIGINT", passOnInterrupt);
    process.once("SIGTERM", passOnInterrupt);
    const end = (exitCode: number | null) => {
      over = true;
      clearTimeout(limit);
      clearTimeout(silence);
      process.off("SIGINT", passOnInterrupt);
      process.off("SIGTERM", passOnInterrupt);
      // What the suite left running would disturb the next one.
      killGroup(child.pid);
      const count = judgeSuite(output, hung ? null : exitCode, suite.counted);
      resolve({ count, failures: count.failed > 0 ? failuresIn(output) : "" });
    };
    child.stdout.setEncoding("utf8").on("data", hear);
    child.stderr.setEncoding("utf8").on("data", hear);
    child.on("error", (error) => {
      say(`Suite ${suite.name} does not start: ${error.message}\n`);
      end(null);
    });
    // "exit", not "close": a grandchild that keeps the pipe open must not keep us.
    child.on("exit", (exitCode) => setImmediate(() => end(exitCode)));
  });
}

/** Runs a suite beside others. @returns Tells what it said in one piece, when it is over and its turn has come. */
export function runAhead(suite: Suite, cwd: string): (print: (text: string) => void) => Promise<SuiteResult> {
  const held: string[] = [];
  const { promise: turn, resolve: come } = Promise.withResolvers<void>();
  const running = runSuite(suite, cwd, (text) => held.push(text), turn);
  return async (print) => {
    come();
    const result = await running;
    print(held.join(""));
    return result;
  };
}

/** Gives a session, and all that it starts later, nothing of the processors that others want. */
function yieldProcessors(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
    // Sessions share the processors alike here, whatever the niceness of what runs in them.
    writeFileSync(`/proc/${pid}/autogroup`, String(constants.priority.PRIORITY_LOW));
  } catch {
    // It is over already, or this system shares them among processes.
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The group is gone.
  }
}
