import { readFileSync } from "node:fs";
import { readTreeStats, selectTree } from "@leat/node/kernel/process-load.ts";

/** What the kernel counts time in, everywhere that this runs: USER_HZ. */
const TICK_MS = 10;

/** CPU time of a process with all of its threads since it began, milliseconds. Linux. */
export function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // Its name stands in parentheses and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** How long a process's first thread, which in Node runs its event loop, was ready and had to wait for a CPU, milliseconds. Linux. */
export function waitedMsOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[1]) / 1e6;
}

/** CPU of a process and of all that it started, those that ended included. Linux. */
export async function treeCpuSeconds(pid: number): Promise<number> {
  return selectTree(await readTreeStats(pid), pid).reduce((sum, { ticks }) => sum + (ticks * TICK_MS) / 1_000, 0);
}

/** The value of one metric of a node, as its scrape shows it. */
export async function readMetric(nodeUrl: string, name: string): Promise<number> {
  const text = await (await fetch(`${nodeUrl}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{`));
  if (line === undefined) throw new Error(`${nodeUrl} shows no ${name}`);
  return Number(line.slice(line.lastIndexOf(" ") + 1));
}
