import { spawn } from "node:child_process";
import { openSync } from "node:fs";

// Loaded into a node before its program, so that a measurement of what it holds has something to find: memory,
// descriptors and processes that nothing lets go of any more. `?everyMs=…`: how often.
const everyMs = Number(new URL(import.meta.url).searchParams.get("everyMs") ?? 1_000);
const BYTES = 400_000;
/** Processes cost the machine more: so much rarer. */
const PROCESS_EVERY = 5;

const held: unknown[] = [];
let turns = 0;
setInterval(() => {
  held.push(Buffer.alloc(BYTES, 1), openSync(process.execPath, "r"));
  turns += 1;
  if (turns % PROCESS_EVERY === 0) held.push(startIdle());
}, everyMs).unref();

/** Reads what nobody writes, and so ends with the node, however that ends. */
function startIdle(): unknown {
  const child = spawn("cat", { stdio: ["pipe", "ignore", "ignore"] });
  child.unref();
  return child;
}
