import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BenchCase } from "./case.ts";
import { plotSamples } from "./support/soak/plot.ts";
import { reportSoak } from "./support/soak/report.ts";
import { soak } from "./support/soak/soak.ts";

const PLOT = join(import.meta.dirname, "../../docs/images/soak.svg");

export const isLong = true;

/**
 * Ten streams, replaced one after the other, with viewers that come and go: what each node holds over time, whether it
 * rises, and by how much in an hour. `--minutes N`: how long, 10 by default. Draws docs/images/soak.svg,
 * and falls short where anything rises.
 */
export const run: BenchCase = async ({ log, signal, minutes = 10 }) => {
  const run = await soak({ durationMs: minutes * 60_000, log, signal });
  await writeFile(PLOT, plotSamples(run.nodes));
  return reportSoak(run, minutes);
};
