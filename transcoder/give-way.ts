import { writeFileSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

/** How much nicer than what started it: a third of its weight. */
export const WORKER_NICENESS = 5;
const NICEST = 19;

/**
 * Lets others go first where processors are short for a moment: a loop that serves viewers is late at once, and work that
 * takes whole processors for seconds notices nothing of it. Call when the process has only begun: its threads inherit it.
 * Linux schedules sessions against each other before processes, where no control groups do; a worker is one of its own.
 */
export function giveWay(pid: number): void {
  try {
    setPriority(pid, Math.min(NICEST, getPriority(pid) + WORKER_NICENESS));
    writeFileSync(`/proc/${pid}/autogroup`, String(WORKER_NICENESS));
  } catch {
    // It works as well without, as on a system that has no such thing.
  }
}
