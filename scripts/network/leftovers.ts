import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A process of a network, with what tells it from a later one of the same id. */
interface Started {
  readonly name: string;
  readonly pid: number;
  readonly identity: string;
}

const POLL_MS = 100;

/**
 * Which processes of a network run, in a file beside its data: a network whose own process was killed leaves them
 * behind, and the next one ends them.
 */
export class Leftovers {
  readonly #file: string;
  readonly #started = new Map<string, Started>();

  constructor(file: string) {
    this.#file = file;
  }

  add(name: string, pid: number): void {
    const identity = identityOf(pid);
    if (identity === undefined) return;
    this.#started.set(name, { name, pid, identity });
    this.#write();
  }

  remove(name: string): void {
    if (this.#started.delete(name)) this.#write();
  }

  /**
   * Ends what an earlier network left running, the oldest, on which the others may depend, last. Answers the names.
   * @param stopMs How long each has to end by itself before it is killed.
   */
  async end(stopMs: number): Promise<string[]> {
    const left = readStarted(this.#file).filter(isRunning);
    await Promise.all(left.slice(1).map((one) => endOne(one, stopMs)));
    for (const one of left.slice(0, 1)) await endOne(one, stopMs);
    return left.map(({ name }) => name);
  }

  /** Whole or as it was. Where it cannot be written, one that ended still stands in it: it is known to run no more. */
  #write(): void {
    const next = `${this.#file}.next`;
    try {
      writeFileSync(next, JSON.stringify([...this.#started.values()]));
      renameSync(next, this.#file);
    } catch {
      rmSync(next, { force: true });
    }
  }
}

function readStarted(file: string): Started[] {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Started[];
  } catch {
    // None, or cut off: then nothing is known to be ours.
    return [];
  }
}

async function endOne(one: Started, stopMs: number): Promise<void> {
  signal(one, "SIGTERM");
  for (let waitedMs = 0; isRunning(one) && waitedMs < stopMs; waitedMs += POLL_MS) await sleep(POLL_MS);
  signal(one, "SIGKILL");
  while (isRunning(one)) await sleep(POLL_MS);
}

function isRunning({ pid, identity }: Started): boolean {
  return identityOf(pid) === identity;
}

function signal(one: Started, name: "SIGTERM" | "SIGKILL"): void {
  try {
    if (isRunning(one)) process.kill(one.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** The boot of the machine and the tick after it when the process began: an id is used again, the two are not. */
function identityOf(pid: number): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie runs no more: its parent only has not asked yet.
    return fields[0] === "Z" ? undefined : `${boot}/${fields[19]}`;
  } catch {
    return undefined;
  }
}
