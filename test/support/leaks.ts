import { openSync } from "node:fs";

// Loaded into a node before its program, so that a measurement of what it holds has something to find: memory, and
// descriptors, that nothing lets go of any more.
const EVERY_MS = 1_000;
const BYTES = 400_000;

const held: unknown[] = [];
setInterval(() => held.push(Buffer.alloc(BYTES, 1), openSync(process.execPath, "r")), EVERY_MS).unref();
