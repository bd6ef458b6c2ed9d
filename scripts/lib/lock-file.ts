import { open, readFile, rm } from "node:fs/promises";

/**
 * Holds a file for this process. A lock whose process is gone is taken over.
 * @param refuse Makes the error for a lock that another process holds.
 * @returns Gives it back.
 */
export async function holdLockFile(path: string, refuse: (pid: number) => Error): Promise<() => Promise<void>> {
  for (;;) {
    try {
      const file = await open(path, "wx");
      await file.writeFile(`${process.pid}\n`);
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const pid = Number(await readFile(path, "utf8").catch(() => "0"));
      if (isAlive(pid)) throw refuse(pid);
      await rm(path, { force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  if (!(pid > 0) || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
