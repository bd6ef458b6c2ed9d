import { BenchError } from "./bench-error.ts";

/** A figure and what it may be. */
export interface Limit {
  readonly figure: string;
  readonly value: number;
  readonly least?: number;
  readonly most?: number;
}

/** BENCH_LIMIT_MISSED, which names every figure beyond its limit. A figure that is no number is beyond any. */
export function judgeLimits(limits: readonly Limit[]): BenchError | undefined {
  const missed = limits
    .filter(({ value, least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY }) => {
      return !(value >= least && value <= most);
    })
    .map(({ figure, value, least, most }) => {
      return `${figure} is ${value}, ${most === undefined ? `at least ${least}` : `at most ${most}`} is wanted`;
    })
    .join("; ");
  return missed === "" ? undefined : new BenchError({ code: "BENCH_LIMIT_MISSED", missed }, { message: missed });
}
