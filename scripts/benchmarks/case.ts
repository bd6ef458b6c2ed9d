import type { BenchError } from "./support/bench-error.ts";

export interface BenchOptions {
  /** Progress for people; never on stdout. */
  readonly log: (line: string) => void;
  /** Aborts when the user interrupts. */
  readonly signal: AbortSignal;
  /** `--minutes N`, for those that can take longer or shorter. */
  readonly minutes?: number;
}

export interface BenchResult {
  /** One object a line of the table, the same keys in each. */
  readonly rows: readonly Readonly<Record<string, string | number>>[];
  /** What `--json` prints. */
  readonly json: unknown;
  /** What it found must not be: said once all is printed, and `scripts/bench` ends with 1. */
  readonly shortfall?: BenchError | undefined;
}

/** A file `scripts/benchmarks/<name>.ts` exports this as `run`; with `isLong` true it runs only when it is named. */
export type BenchCase = (options: BenchOptions) => Promise<BenchResult>;
