import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import type { CrowdAnswer, CrowdArguments } from "./viewer-crowd.ts";

/**
 * Lets a process, and all that it starts later, stand for another machine: it has the processors that those which are
 * measured leave, and gives one back at once when it is wanted, which no niceness brings about.
 */
export function lowerPriority(pid: number | undefined): void {
  if (pid !== undefined) execFileSync("chrt", ["--all-tasks", "--idle", "--pid", "0", String(pid)]);
}

/** A crowd of viewers that share no process with what they are served by. */
export class ViewerProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when all watch. */
  static async start(given: CrowdArguments): Promise<ViewerProcess> {
    const child = fork(new URL("./viewer-crowd.ts", import.meta.url), [JSON.stringify(given)]);
    lowerPriority(child.pid);
    const [first] = await Promise.race([once(child, "message"), once(child, "exit")]);
    if (first !== "ready") throw new Error(`the viewers by ${given.way} ended before they watched`);
    return new ViewerProcess(child);
  }

  /** What happened since it was asked last. */
  async read(): Promise<CrowdAnswer> {
    const gone = new AbortController();
    const { signal } = gone;
    const answer = once(this.#child, "message", { signal });
    const exit = once(this.#child, "exit", { signal }).then(() => {
      throw new Error("the viewers ended while they were watched");
    });
    try {
      this.#child.send("read");
      return (await Promise.race([answer, exit]))[0] as CrowdAnswer;
    } finally {
      gone.abort();
      await Promise.allSettled([answer, exit]);
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.send("stop");
    await gone;
  }
}
