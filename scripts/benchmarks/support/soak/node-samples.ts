import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readTreeStats, selectTree } from "@leat/node/kernel/process-load.ts";

/** What a node holds at one moment. */
export interface NodeSample {
  /** Since sampling began. */
  readonly atS: number;
  /** What its own process cannot let go of: JavaScript's heap and the buffers beside it, right after a collection. */
  readonly heldMb: number;
  /**
   * What its libraries hold: memory of the C library's that is in use, in all threads, beyond JavaScript's buffers. What
   * was freed and is kept for the next one is in none of it.
   */
  readonly nativeMb: number;
  /**
   * Resident memory of its own process, all of it: some wanders with each burst that is the largest so far. Heaps of its
   * threads, where its database runs, and WebAssembly are in this figure alone.
   */
  readonly residentMb: number;
  /** Open descriptors of its own process. */
  readonly descriptors: number;
  /** Its own process and all that it started. */
  readonly processes: number;
}

/** What rises where something is never let go of. */
export type Figure = Exclude<keyof NodeSample, "atS">;
export const figures: readonly Figure[] = ["heldMb", "nativeMb", "residentMb", "descriptors", "processes"];

/** What a node's probe says. */
interface Told {
  readonly heldBytes: number;
  readonly nativeBytes: number;
  readonly residentBytes: number;
}

const MB = 1_000_000;
const LOOK_MS = 50;
const ANSWER_LIMIT_MS = 30_000;

/** What a node's program is started with, so that it answers `sampleNode`. */
export function probeFlags(folder: string): readonly string[] {
  const probe = new URL("./memory-probe.ts", import.meta.url);
  probe.searchParams.set("folder", folder);
  return ["--expose-gc", "--import", probe.href];
}

/** @throws where the node does not answer. */
export async function sampleNode(pid: number, folder: string, atS: number): Promise<NodeSample> {
  const file = join(folder, `${pid}.jsonl`);
  const before = (await readLines(file)).length;
  process.kill(pid, "SIGUSR2");
  const { heldBytes, nativeBytes, residentBytes } = await whenTold(file, before);
  const [descriptors, tree] = await Promise.all([readdir(`/proc/${pid}/fd`), readTreeStats(pid)]);
  return {
    atS,
    heldMb: heldBytes / MB,
    nativeMb: nativeBytes / MB,
    residentMb: residentBytes / MB,
    descriptors: descriptors.length,
    processes: selectTree(tree, pid).length,
  };
}

async function whenTold(file: string, before: number): Promise<Told> {
  for (let waitedMs = 0; waitedMs < ANSWER_LIMIT_MS; waitedMs += LOOK_MS) {
    const line = (await readLines(file))[before];
    if (line !== undefined) return JSON.parse(line) as Told;
    await sleep(LOOK_MS);
  }
  throw new Error(`${file} got no new line in ${ANSWER_LIMIT_MS} ms`);
}

async function readLines(file: string): Promise<string[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  // The last one may be half written.
  return text.split("\n").slice(0, -1);
}
