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
}

/** A file `scripts/benchmarks/<name>.ts` exports this as `run`; with `isLong` true it runs only when it is named. */
export type BenchCase = (options: BenchOptions) => Promise<BenchResult>;
