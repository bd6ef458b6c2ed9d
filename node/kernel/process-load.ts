import { readdirSync, readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { type Static, Type } from "typebox";
import { type Clock, systemClock } from "./clock.ts";

export const loadOptions = Type.Object(
  {
    capacityCores: Type.Number({
      default: 0,
      minimum: 0,
      maximum: 1_024,
      description: "Processor cores that this node may use; its load is its own CPU time over these. 0: all there are",
    }),
  },
  { default: {}, additionalProperties: false },
);

export type LoadOptions = Static<typeof loadOptions>;

export interface LoadSample {
  /** CPU time of the process tree since the last sample, over the capacity. 0 in the first sample; may pass 1. */
  readonly load: number;
  /** CPU seconds of the tree since it began, ended children included. Never falls. */
  readonly cpuSeconds: number;
  readonly processes: number;
  readonly rssBytes: number;
}

/** What `/proc/<pid>/stat` says of one process. Times in clock ticks. */
export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** Own time and that of children that ended and were waited for. */
  readonly ticks: number;
  readonly rssPages: number;
}

/** The kernel tells user space 100 ticks a second on every architecture that we run on (USER_HZ). */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4_096;

/** Load of a process and everything it started: never the machine's, which others may fill. Linux. */
export class ProcessLoad {
  readonly #capacityCores: number;
  readonly #clock: Clock;
  readonly #rootPid: number;
  readonly #readStats: () => Promise<ProcessStat[]>;
  #last: { atMs: number; cpuSeconds: number } | undefined;
  #newestLoad = 0;
  #sampling: Promise<void> | undefined;

  constructor(
    options: LoadOptions,
    sources: { clock?: Clock; rootPid?: number; readStats?: () => Promise<ProcessStat[]> } = {},
  ) {
    this.#capacityCores = options.capacityCores > 0 ? options.capacityCores : availableParallelism();
    this.#clock = sources.clock ?? systemClock;
    this.#rootPid = sources.rootPid ?? process.pid;
    this.#readStats = sources.readStats ?? (() => readTreeStats(this.#rootPid));
  }

  /**
   * The load for who cannot wait: where the files of /proc are slow to come, behind a disk that is busy, it is what was
   * measured last.
   */
  async newest(patienceMs: number): Promise<number> {
    this.#sampling ??= this.#measure().finally(() => {
      this.#sampling = undefined;
    });
    const done = new AbortController();
    const patience = this.#clock.sleep(patienceMs, done.signal).catch(() => {});
    await Promise.race([this.#sampling, patience]);
    done.abort();
    return this.#newestLoad;
  }

  async #measure(): Promise<void> {
    this.#newestLoad = (await this.sample()).load;
  }

  async sample(): Promise<LoadSample> {
    const tree = selectTree(await this.#readStats(), this.#rootPid);
    const atMs = this.#clock.nowMs();
    const measured = tree.reduce((sum, stat) => sum + stat.ticks, 0) / TICKS_PER_SECOND;
    // A child that is killed and not yet waited for is in neither sum for a moment.
    const cpuSeconds = Math.max(measured, this.#last?.cpuSeconds ?? 0);
    const last = this.#last;
    this.#last = { atMs, cpuSeconds };
    const wallSeconds = last === undefined ? 0 : (atMs - last.atMs) / 1_000;
    const load =
      last === undefined || wallSeconds <= 0 ? 0 : (cpuSeconds - last.cpuSeconds) / wallSeconds / this.#capacityCores;
    const rssBytes = tree.reduce((sum, stat) => sum + stat.rssPages, 0) * PAGE_BYTES;
    return { load, cpuSeconds, processes: tree.length, rssBytes };
  }
}

/** `root` and all its descendants. */
export function selectTree(stats: readonly ProcessStat[], root: number): ProcessStat[] {
  const children = Map.groupBy(stats, (stat) => stat.parent);
  const tree = stats.filter((stat) => stat.pid === root);
  for (let at = 0; at < tree.length; at += 1) {
    for (const child of children.get(tree[at]!.pid) ?? []) if (child.pid !== root) tree.push(child);
  }
  return tree;
}

/** A process's name may hold spaces and brackets: fields are counted after the last bracket. */
export function parseStat(text: string): ProcessStat | undefined {
  const pid = Number.parseInt(text, 10);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [parent, user, system, childUser, childSystem, rss] = [1, 11, 12, 13, 14, 21].map((at) => Number(fields[at]));
  const ticks = user! + system! + childUser! + childSystem!;
  if (![pid, parent, ticks, rss].every(Number.isSafeInteger)) return undefined;
  return { pid, parent: parent!, ticks, rssPages: rss! };
}

/**
 * Memory of a process, shared pages divided among those who share them. Costs the kernel some ms: not for every
 * heartbeat.
 */
export async function readPssBytes(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  const match = /^Pss:\s+(\d+) kB$/m.exec(text);
  return match === null ? undefined : Number(match[1]) * 1_024;
}

/** Sum of `readPssBytes` over a process tree; processes that ended meanwhile count nothing. */
export async function readTreePssBytes(root: number): Promise<number> {
  const tree = selectTree(await readTreeStats(root), root);
  const sizes = await Promise.all(tree.map((stat) => readPssBytes(stat.pid)));
  return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
}

/**
 * A process and what it started, by the kernel's own lists of children: a machine may have a thousand other processes,
 * and a node looks at every heartbeat. Of all processes where the kernel keeps no such lists.
 */
export async function readTreeStats(root: number): Promise<ProcessStat[]> {
  const stats: ProcessStat[] = [];
  let pids = [root];
  while (pids.length > 0) {
    const found = await Promise.all(
      pids.map(async (pid) => ({ stat: await readStat(pid), children: readChildren(pid) })),
    );
    if (stats.length === 0 && found[0]!.children === undefined) return readAllStats();
    for (const { stat } of found) if (stat !== undefined) stats.push(stat);
    const known = new Set(stats.map(({ pid }) => pid));
    pids = found.flatMap(({ children }) => children ?? []).filter((pid) => !known.has(pid));
  }
  return stats;
}

/**
 * What any thread of a process started; undefined where that cannot be known. Read at once: these lists are in memory, a
 * process has dozens of threads, and four hops to another thread for each cost more than all of it.
 */
function readChildren(pid: number): number[] | undefined {
  const lists = listThreads(pid).map((thread) => readAtOnce(`/proc/${pid}/task/${thread}/children`));
  const known = lists.filter((list) => list !== undefined);
  return known.length === 0 ? undefined : known.flatMap((list) => list.split(" ").filter(Boolean).map(Number));
}

function listThreads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** A thread may end meanwhile: its children are another's by then. */
function readAtOnce(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

async function readAllStats(): Promise<ProcessStat[]> {
  const names = await readdir("/proc").catch(() => []);
  const stats = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map((name) => readStat(Number(name))));
  return stats.filter((stat) => stat !== undefined);
}

/** A process may end between the listing and the reading. */
async function readStat(pid: number): Promise<ProcessStat | undefined> {
  return parseStat(await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ""));
}
