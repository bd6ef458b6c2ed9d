import { readFileSync } from "node:fs";

/** What the program of a node is started with, beside its arguments. */
export const nodeFlags: readonly string[] = readFileSync(new URL("./node-flags.txt", import.meta.url), "utf8")
  .trim()
  .split("\n");
