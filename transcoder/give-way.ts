import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";

/** Of 19, the lowest: a third of the weight of what has the usual priority, 0. */
export const WORKER_NICENESS = 5;

/**
 * Lets others go first where processors are short for a moment: a loop that serves viewers is late at once, and work that
 * takes whole processors for seconds notices nothing of it. Call when the process has only begun: its threads inherit it.
 * Linux schedules sessions against each other before processes, where no control groups do; a worker is one of its own.
 */
export function giveWay(pid: number): void {
  for (const yieldIt of [
    () => setPriority(pid, WORKER_NICENESS),
    () => writeFileSync(`/proc/${pid}/autogroup`, String(WORKER_NICENESS)),
  ]) {
    try {
      yieldIt();
    } catch {
      // It works as well without, as on a system that has no such thing.
    }
  }
}
