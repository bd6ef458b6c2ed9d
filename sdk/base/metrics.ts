/** Labels come from short fixed lists: a peer id, stream id or key is never a label. */
export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(amount?: number, labels?: Labels): void;
}

export interface Gauge {
  set(value: number, labels?: Labels): void;
}

export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

export interface MetricOptions {
  /** `leat_<area>_<thing>_<unit>`; seconds and bytes; counters end in `_total`. */
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
  readonly buckets?: readonly number[];
}

/** Where parts declare their metrics, beside the code that counts. Declaring a name twice gives the same metric. */
export interface MetricsRegister {
  counter(options: MetricOptions): Counter;
  gauge(options: MetricOptions & { readonly collect?: () => number }): Gauge;
  histogram(options: MetricOptions): Histogram;
}

/** Counts nothing: for tests. */
export const silentMetrics: MetricsRegister = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
};
