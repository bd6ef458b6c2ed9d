import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";

// Loaded into a node before its program (`--expose-gc --import FILE?folder=…`): on SIGUSR2 it collects what nobody holds
// any more, and writes what is left of JavaScript's, what libraries have in use, and what is resident, as a line of JSON,
// into a file of the folder that its process id names.
const folder = new URL(import.meta.url).searchParams.get("folder")!;

/** Of `struct mallinfo2` of glibc, bytes: over all arenas, what of them is in use, and what was mapped by itself. */
interface AllocatorFacts {
  readonly uordblks: number;
  readonly hblkhd: number;
}

/** All of its fields, in their order. */
const fields = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split(" ");

if (isMainThread) {
  const { default: koffi } = await import("koffi");
  koffi.struct("mallinfo2", Object.fromEntries(fields.map((name) => [name, "size_t"])));
  const readAllocator: () => AllocatorFacts = koffi.load("libc.so.6").func("mallinfo2 mallinfo2()");
  process.on("SIGUSR2", () => {
    // Of this moment: the collection itself takes memory.
    const { rss: residentBytes } = process.memoryUsage();
    // Buffers that the first one finds dead are counted until the second.
    globalThis.gc!();
    globalThis.gc!();
    const { heapUsed, external } = process.memoryUsage();
    const { uordblks, hblkhd } = readAllocator();
    // JavaScript's buffers come from the same allocator.
    const line = { heldBytes: heapUsed + external, nativeBytes: uordblks + hblkhd - external, residentBytes };
    appendFileSync(join(folder, `${process.pid}.jsonl`), `${JSON.stringify(line)}\n`);
  });
}
