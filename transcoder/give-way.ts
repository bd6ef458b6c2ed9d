import { closeSync, openSync, readdirSync, writeSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

/** How much nicer than what started it: a third of its weight. */
const NICENESS = 5;
const NICEST = 19;

/** Of an unprivileged process the kernel takes one such wish in a tenth of a second, all processes together. */
const AGAIN_MS = 100;

/**
 * Lets others go first where processors are short for a moment: a loop that serves viewers is late at once, and work that
 * takes whole processors for seconds notices nothing of it. Call when the process has only begun.
 */
export function giveWay(pid: number): void {
  try {
    const niceness = Math.min(NICEST, getPriority(pid) + NICENESS);
    setPriority(pid, niceness);
    // Threads that it had begun. Those that it begins from here on inherit it.
    for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), niceness);
  } catch {
    // It works as well without, as on a system that has no such thing.
  }
  giveWaySession(pid);
}

/**
 * Linux schedules sessions against each other before processes, where no control groups do; a worker leads one of its own.
 * It takes a tenth of a second for each that is asked for at once.
 */
function giveWaySession(pid: number): void {
  let file: number;
  try {
    file = openSync(`/proc/${pid}/autogroup`, "r+");
  } catch {
    // As above.
    return;
  }
  // The open file is of this process and of no later one with its number.
  const attempt = () => {
    try {
      writeSync(file, String(NICENESS));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") {
        setTimeout(attempt, AGAIN_MS * (1 + Math.random())).unref();
        return;
      }
    }
    closeSync(file);
  };
  attempt();
}
