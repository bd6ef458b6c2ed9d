import { readFileSync } from "node:fs";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { SqlError } from "./connection.ts";

/** Folders that this process holds: the file names a process, not which of its databases. */
const heldHere = new Set<string>();

/**
 * Keeps a database's folder for one process: two that write one folder would destroy it. The lock of a process that was
 * killed is taken over.
 * @returns Gives it back.
 * @throws SQL_IN_USE
 */
export async function lockFolder(location: string): Promise<() => Promise<void>> {
  const path = `${location}.lock`;
  if (heldHere.has(path)) throw new SqlError({ code: "SQL_IN_USE", location, pid: process.pid });
  heldHere.add(path);
  const draft = `${path}.${process.pid}`;
  try {
    // Whole when it appears: a lock without its owner would look like a dead one's.
    await writeFile(draft, describe(process.pid));
    while (!(await tryLink(draft, path))) await removeStale(path, location);
  } catch (error) {
    heldHere.delete(path);
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return async () => {
    if (heldHere.delete(path)) await rm(path, { force: true });
  };
}

async function tryLink(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function removeStale(path: string, location: string): Promise<void> {
  const owner = await readFile(path, "utf8").catch(() => undefined);
  if (owner === undefined) return;
  const pid = Number(owner.split(" ")[0]);
  if (isAlive(pid, owner)) throw new SqlError({ code: "SQL_IN_USE", location, pid });
  const aside = `${path}.stale.${process.pid}`;
  const moved = await rename(path, aside).then(
    () => true,
    () => false,
  );
  // Somebody else took over in between: theirs goes back.
  if (moved && (await readFile(aside, "utf8")) !== owner) await tryLink(aside, path);
  await rm(aside, { force: true });
}

/** Our own number in a file that we did not write is an earlier process's, as in a container that was started again. */
function isAlive(pid: number, owner: string): boolean {
  if (!(pid > 0) || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return describe(pid) === owner;
}

/** A number may belong to another process by now: when it began tells them apart, where the system says. */
function describe(pid: number): string {
  let began = "";
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    began = stat.slice(stat.lastIndexOf(")")).split(" ")[20] ?? "";
  } catch {}
  return `${pid} ${began}\n`;
}
