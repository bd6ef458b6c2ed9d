import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it that are not there; one that is there is left as it is. Node's own way goes round
 * for ever where a folder is there and refuses new ones as if it were not, as under /proc.
 */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
  if (await make(path, mode)) return;
  if (dirname(path) !== path) await makeFolder(dirname(path), mode);
  // What is missing now is not above it: the folder above refuses, and says why.
  if (!(await make(path, mode))) await mkdir(path, { mode });
}

/** Whether it is there now; false where the folder above is missing. */
async function make(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await stat(path)).isDirectory()) return true;
    if (code === "ENOENT") return false;
    throw error;
  }
}
