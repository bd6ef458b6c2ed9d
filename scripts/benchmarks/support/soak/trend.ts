import type { Figure, NodeSample } from "./node-samples.ts";

/** A line through what a node held, once it was warm. */
export interface Trend {
  /** How much more at the end than at the beginning, by the line. */
  readonly growth: number;
  /** How far single samples are from the line: standard deviation. */
  readonly noise: number;
  readonly perHour: number;
  readonly isLeak: boolean;
}

/** Caches fill and code is compiled in this part of the time. */
const WARM_UP = 0.4;
/** A wandering level gives lines that rise by up to 3.5 of its deviations: a ramp has nothing else. */
const NOISES = 5;
/** Growth over the judged time that is nothing to worry about, whatever the noise. */
const floors: Readonly<Record<Figure, number>> = { heldMb: 2, residentMb: 20, descriptors: 6, processes: 2 };

/** Samples in their order, evenly spaced; at least 10. */
export function judgeTrend(samples: readonly NodeSample[], figure: Figure): Trend {
  const judged = samples.slice(Math.floor(samples.length * WARM_UP));
  const [times, values] = [judged.map(({ atS }) => atS), judged.map((sample) => sample[figure])];
  const [meanTime, meanValue] = [mean(times), mean(values)];
  const spread = sum(times.map((time) => (time - meanTime) ** 2));
  const slope = sum(times.map((time, at) => (time - meanTime) * (values[at]! - meanValue))) / spread;
  const residuals = values.map((value, at) => value - meanValue - slope * (times[at]! - meanTime));
  const noise = Math.sqrt(sum(residuals.map((one) => one ** 2)) / (residuals.length - 2));
  const growth = slope * (times.at(-1)! - times[0]!);
  return { growth, noise, perHour: slope * 3_600, isLeak: growth > floors[figure] && growth > NOISES * noise };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]) => sum(values) / values.length;
