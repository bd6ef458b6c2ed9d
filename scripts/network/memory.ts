import { readdir, readFile } from "node:fs/promises";

/** Proportional set size of process trees: shared pages count once however many map them. Linux only; else 0. */
export async function sumPssBytes(roots: Iterable<number>): Promise<number> {
  const pids = await withDescendants(roots);
  const sizes = await Promise.all([...pids].map(pssBytes));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function withDescendants(roots: Iterable<number>): Promise<Set<number>> {
  const children = new Map<number, number[]>();
  const names = await readdir("/proc").catch(() => []);
  for (const name of names.filter((entry) => /^\d+$/.test(entry))) {
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    // The command name may hold spaces and brackets: the fields start after its last bracket.
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = new Set(roots);
  for (const pid of found) for (const child of children.get(pid) ?? []) found.add(child);
  return found;
}

async function pssBytes(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * 1_024;
}
