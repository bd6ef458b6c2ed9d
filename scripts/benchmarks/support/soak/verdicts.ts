import { type Figure, figures, type NodeSample } from "./node-samples.ts";
import { judgeTrend } from "./trend.ts";

export type FigureVerdict = {
  readonly node: string;
  readonly figure: Figure;
  readonly last: number;
  readonly growth: number;
  readonly noise: number;
  readonly perHour: number;
  readonly verdict: "rises" | "level";
};

/** Each figure of each node. */
export function judgeNodes(nodes: ReadonlyMap<string, readonly NodeSample[]>): FigureVerdict[] {
  return [...nodes].flatMap(([node, samples]) =>
    figures.map((figure) => {
      const { growth, noise, perHour, isLeak } = judgeTrend(samples, figure);
      const last = samples.at(-1)![figure];
      return { node, figure, last, growth, noise, perHour, verdict: isLeak ? "rises" : "level" };
    }),
  );
}

/** What is never let go of: `node-a heldMb`. */
export function listRising(verdicts: readonly FigureVerdict[]): string[] {
  return verdicts.filter(({ verdict }) => verdict === "rises").map(({ node, figure }) => `${node} ${figure}`);
}
