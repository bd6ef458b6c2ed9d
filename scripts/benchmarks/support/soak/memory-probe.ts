import { appendFileSync } from "node:fs";
import { join } from "node:path";

// Loaded into a node before its program (`--expose-gc --import FILE?folder=…`): on SIGUSR2 it collects what nobody holds
// any more, and writes what is left, as a line of JSON, into a file of the folder that its process id names.
const folder = new URL(import.meta.url).searchParams.get("folder")!;

process.on("SIGUSR2", () => {
  globalThis.gc!();
  const { heapUsed, external } = process.memoryUsage();
  appendFileSync(join(folder, `${process.pid}.jsonl`), `${JSON.stringify({ heldBytes: heapUsed + external })}\n`);
});
