import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BenchCase } from "./case.ts";
import { figures } from "./support/soak/node-samples.ts";
import { plotSamples } from "./support/soak/plot.ts";
import { soak } from "./support/soak/soak.ts";
import { judgeTrend } from "./support/soak/trend.ts";

const PLOT = join(import.meta.dirname, "../../docs/images/soak.svg");

export const isLong = true;

/**
 * Ten streams, replaced one after the other, with viewers that come and go: what each node holds over time, whether it
 * rises, and by how much in an hour. `--minutes N`: how long, 10 by default. Draws docs/images/soak.svg.
 */
export const run: BenchCase = async ({ log, signal, minutes = 10 }) => {
  const { nodes, visits, streams } = await soak({ durationMs: minutes * 60_000, log, signal });
  await writeFile(PLOT, plotSamples(nodes));
  const rows = [...nodes].flatMap(([node, samples]) =>
    figures.map((figure) => {
      const { growth, noise, perHour, isLeak } = judgeTrend(samples, figure);
      const last = samples.at(-1)![figure];
      return { node, figure, last, growth, noise, perHour, verdict: isLeak ? "rises" : "level" };
    }),
  );
  const leaks = rows.filter(({ verdict }) => verdict === "rises").map(({ node, figure }) => `${node} ${figure}`);
  return { rows, json: { minutes, streams, visits, leaks, samples: Object.fromEntries(nodes) } };
};
