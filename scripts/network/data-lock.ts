import { join } from "node:path";
import { holdLockFile } from "../lib/lock-file.ts";
import { NetworkError } from "./options.ts";

/** Holds a data folder for one network. @returns Gives it back. @throws UP_DATA_IN_USE */
export function lockData(dataDir: string): Promise<() => Promise<void>> {
  const path = join(dataDir, "network.pid");
  return holdLockFile(path, (pid) => new NetworkError({ code: "UP_DATA_IN_USE", dir: dataDir, pid }));
}
