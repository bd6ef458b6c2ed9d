import { open, readdir, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { fileReason } from "@leat/sdk/base/file-reasons.ts";

/** What LevelDB writes beside its tables when it opens: a manifest, a log, its own journal. */
const OPENING_BYTES = 64 * 1024;
const CHUNK = new Uint8Array(64 * 1024);
const NAME = "room-check";

/**
 * Why LevelDB could not be opened in this folder for want of room; undefined where it can. Opening writes what stands in
 * the logs once more, as tables, before the logs go: so much must be free, and a few pages.
 */
export async function findRoomMissing(location: string): Promise<string | undefined> {
  const file = join(location, NAME);
  try {
    const needed = OPENING_BYTES + (await logBytes(location));
    const { bavail, bsize } = await statfs(location);
    if (bavail * bsize < needed) return "ENOSPC";
    // A quota, or a limit of the process, is not told by the file system: only writing shows it.
    await writeBytes(file, needed);
    return undefined;
  } catch (error) {
    return fileReason(error as Error);
  } finally {
    await clearRoomCheck(location);
  }
}

/** Removes what a process that died while it looked for room left behind. */
export async function clearRoomCheck(location: string): Promise<void> {
  await rm(join(location, NAME), { force: true }).catch(() => {});
}

async function logBytes(location: string): Promise<number> {
  const names = (await readdir(location)).filter((name) => name.endsWith(".log"));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(location, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function writeBytes(path: string, count: number): Promise<void> {
  const file = await open(path, "w");
  try {
    for (let written = 0; written < count; ) written += (await file.write(CHUNK)).bytesWritten;
    await file.datasync();
  } finally {
    await file.close();
  }
}
