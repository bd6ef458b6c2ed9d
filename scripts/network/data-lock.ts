import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { NetworkError } from "./options.ts";

/**
 * Holds a data folder for one network. A lock whose process is gone is taken over.
 * @returns Gives it back.
 * @throws UP_DATA_IN_USE
 */
export async function lockData(dataDir: string): Promise<() => Promise<void>> {
  const path = join(dataDir, "network.pid");
  for (;;) {
    try {
      const file = await open(path, "wx");
      await file.writeFile(`${process.pid}\n`);
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const pid = Number(await readFile(path, "utf8").catch(() => "0"));
      if (isAlive(pid)) throw new NetworkError({ code: "UP_DATA_IN_USE", dir: dataDir, pid });
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
