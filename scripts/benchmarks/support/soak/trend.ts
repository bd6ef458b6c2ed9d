import type { Figure, NodeSample } from "./node-samples.ts";

/** A line through the least that a node held in each stretch of time, once it was warm. */
export interface Trend {
  /** How much more at the end than at the beginning, by the line. */
  readonly growth: number;
  /** How far the least of a stretch is from the line: standard deviation. */
  readonly noise: number;
  readonly perHour: number;
  readonly isLeak: boolean;
}

/** Caches fill and code is compiled in this part of the time. */
const WARM_UP = 0.4;
/** Samples of a stretch. What comes and goes within it says nothing of what is never let go, and would hide that. */
const STRETCH = 8;
/** A level that steps up once gives lines that rise by up to seven of their deviations: a ramp has nothing else. */
const NOISES = 7;
/**
 * Growth over the judged time that is nothing to worry about, whatever the noise. A store writes into memory until it has
 * 16 MB for a file, which takes longer than that; of the allocator's and the collector's free pages more stay resident the
 * longer bursts go on.
 */
const floors: Readonly<Record<Figure, number>> = {
  heldMb: 2,
  nativeMb: 20,
  residentMb: 50,
  descriptors: 6,
  processes: 2,
};

/** Samples in their order, evenly spaced; a hundred and more. */
export function judgeTrend(samples: readonly NodeSample[], figure: Figure): Trend {
  const judged = leastOfStretches(samples.slice(Math.floor(samples.length * WARM_UP)), figure);
  const [times, values] = [judged.map(({ atS }) => atS), judged.map((sample) => sample[figure])];
  const [meanTime, meanValue] = [mean(times), mean(values)];
  const spread = sum(times.map((time) => (time - meanTime) ** 2));
  const slope = sum(times.map((time, at) => (time - meanTime) * (values[at]! - meanValue))) / spread;
  const residuals = values.map((value, at) => value - meanValue - slope * (times[at]! - meanTime));
  const noise = Math.sqrt(sum(residuals.map((one) => one ** 2)) / (residuals.length - 2));
  const growth = slope * (times.at(-1)! - times[0]!);
  return { growth, noise, perHour: slope * 3_600, isLeak: growth > floors[figure] && growth > NOISES * noise };
}

function leastOfStretches(samples: readonly NodeSample[], figure: Figure): NodeSample[] {
  const stretches = Array.from({ length: Math.floor(samples.length / STRETCH) }, (_, at) =>
    samples.slice(at * STRETCH, (at + 1) * STRETCH),
  );
  return stretches.map((stretch) => stretch.reduce((least, one) => (one[figure] < least[figure] ? one : least)));
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]) => sum(values) / values.length;
