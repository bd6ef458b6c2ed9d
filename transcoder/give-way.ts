import { closeSync, openSync, writeSync } from "node:fs";

/** How much nicer than what started it: a third of its weight. */
const NICENESS = 5;

/** Of an unprivileged process the kernel takes one such wish in a tenth of a second, all processes together. */
const AGAIN_MS = 100;

/**
 * What a command starts with to let others go first where processors are short for a moment, with every thread that it will
 * have: a loop that serves viewers is late at once, and work that takes whole processors for seconds notices nothing of it.
 */
export const GIVE_WAY = ["nice", "-n", String(NICENESS)] as const;

/**
 * The same for the process's session. Linux schedules sessions against each other before processes, where no control groups
 * do. Call for a process that leads one. It may take some tenths of a second where many are asked for at once.
 */
export function giveWaySession(pid: number): void {
  let file: number;
  try {
    file = openSync(`/proc/${pid}/autogroup`, "r+");
  } catch {
    // It works as well without, as on a system that has no such thing.
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
