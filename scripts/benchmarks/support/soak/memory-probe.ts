import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";

// Loaded into a node before its program (`--expose-gc --import FILE?folder=…`): on SIGUSR2 it collects what nobody holds
// any more, and writes what is left, the most that there ever was and what is resident, as a line of JSON, into a file of
// the folder that its process id names.
const folder = new URL(import.meta.url).searchParams.get("folder")!;
/** What is there between two looks comes and goes within a tenth of a second. */
const LOOK_MS = 100;

let mostBytes = 0;

/** The heap with its free pages and the buffers beside it: what a collection leaves free is not given back. */
function look(): void {
  const { heapTotal, external } = process.memoryUsage();
  mostBytes = Math.max(mostBytes, heapTotal + external);
}

if (isMainThread) {
  setInterval(look, LOOK_MS).unref();
  process.on("SIGUSR2", () => {
    look();
    // Of this moment, as the most is: a burst more would be taken for what a library holds.
    const { rss: residentBytes } = process.memoryUsage();
    // Buffers that the first one finds dead are counted until the second.
    globalThis.gc!();
    globalThis.gc!();
    const { heapUsed, external } = process.memoryUsage();
    const line = { heldBytes: heapUsed + external, mostBytes, residentBytes };
    appendFileSync(join(folder, `${process.pid}.jsonl`), `${JSON.stringify(line)}\n`);
  });
}
