import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { getHeapStatistics } from "node:v8";
import { isMainThread } from "node:worker_threads";
import koffi from "koffi";

// Loaded into a node before its program (`--expose-gc --import FILE?folder=…`): on SIGUSR2 it collects what nobody holds
// any more, in JavaScript's heap and in the C library's, and writes what is left of each, and what was resident before, as
// a line of JSON, into a file of the folder that its process id names.
const folder = new URL(import.meta.url).searchParams.get("folder")!;

if (isMainThread) {
  const giveBackFree = koffi.load("libc.so.6").func("int malloc_trim(size_t pad)");
  process.on("SIGUSR2", () => {
    const { rss: residentBytes } = process.memoryUsage();
    // Buffers that the first one finds dead are counted until the second.
    globalThis.gc!();
    globalThis.gc!();
    giveBackFree(0);
    const { heapUsed, external, rss } = process.memoryUsage();
    // Of the heap what was ever written to: the rest is not resident.
    const { total_physical_size: heapBytes } = getHeapStatistics();
    const line = { heldBytes: heapUsed + external, nativeBytes: rss - heapBytes - external, residentBytes };
    appendFileSync(join(folder, `${process.pid}.jsonl`), `${JSON.stringify(line)}\n`);
  });
}
