import { spawn } from "node:child_process";
import { openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

// Loaded into a node before its program, so that a measurement of what it holds has something to find: memory of its own
// and of a library, descriptors and processes that nothing lets go of any more. `?everyMs=…`: how often.
const everyMs = Number(new URL(import.meta.url).searchParams.get("everyMs") ?? 1_000);
const BYTES = 400_000;
/** Processes cost the machine more: so much rarer. */
const PROCESS_EVERY = 5;

const held: unknown[] = [];
/** What a library holds for itself: the collector knows nothing of it. */
const library = new DatabaseSync(":memory:");
library.exec("CREATE TABLE held (bytes BLOB)");
const hold = library.prepare("INSERT INTO held VALUES (zeroblob(?))");
let turns = 0;
setInterval(() => {
  held.push(Buffer.alloc(BYTES, 1), openSync(process.execPath, "r"));
  hold.run(BYTES);
  turns += 1;
  if (turns % PROCESS_EVERY === 0) held.push(startIdle());
}, everyMs).unref();

/** Reads what nobody writes, and so ends with the node, however that ends. */
function startIdle(): unknown {
  const child = spawn("cat", { stdio: ["pipe", "ignore", "ignore"] });
  child.unref();
  return child;
}
