import type { BenchResult } from "../../case.ts";
import { BenchError } from "../bench-error.ts";
import type { SoakRun } from "./soak.ts";
import { judgeNodes, listRising } from "./verdicts.ts";

/** The table of a run. Falls short where anything rises. */
export function reportSoak({ nodes, visits, streams }: SoakRun, minutes: number): BenchResult {
  const rows = judgeNodes(nodes);
  const leaks = listRising(rows);
  const json = { minutes, streams, visits, leaks, samples: Object.fromEntries(nodes) };
  if (leaks.length === 0) return { rows, json };
  const rising = leaks.join(", ");
  const message = `${rising} rose over ${minutes} minutes: look for what is never let go of`;
  return { rows, json, shortfall: new BenchError({ code: "BENCH_SOAK_ROSE", rising }, { message }) };
}
