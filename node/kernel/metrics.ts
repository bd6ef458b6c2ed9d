import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Labels, MetricOptions, MetricsRegister } from "@leat/sdk/base/metrics.ts";
import {
  collectDefaultMetrics,
  Counter as PromCounter,
  Gauge as PromGauge,
  Histogram as PromHistogram,
  Registry,
} from "prom-client";

/** The register that parts declare in, and what a scraper reads. */
export interface Metrics extends MetricsRegister {
  readonly contentType: string;
  render(): Promise<string>;
  /** Ends what measures in the background. Works twice. */
  close(): void;
}

/** Each sample wakes the process: fifty a second were a sixth of what an idle node costs, two hundred half of it. */
const LOOP_RESOLUTION_MS = 100;
/** The library's own samples of the event loop, which ours replace. They cannot be left out, only made rare. */
const THEIR_RESOLUTION_MS = 60_000;
const theirs = ["", "_min", "_max", "_mean", "_stddev", "_p50", "_p90", "_p99"];

export function createMetrics(options: { readonly processMetrics?: boolean } = {}): Metrics {
  const registry = new Registry();
  const known = new Map<string, unknown>();
  const once = <M>(name: string, create: () => M): M => {
    const metric = (known.get(name) as M | undefined) ?? create();
    known.set(name, metric);
    return metric;
  };
  const register: MetricsRegister = {
    counter: (declared) =>
      once(declared.name, () => {
        const metric = new PromCounter({ ...basics(declared), registers: [registry] });
        return { add: (amount = 1, labels: Labels = {}) => metric.inc(labels, amount) };
      }),
    gauge: (declared) =>
      once(declared.name, () => {
        const { collect } = declared;
        const metric: PromGauge = new PromGauge({
          ...basics(declared),
          registers: [registry],
          ...(collect === undefined ? {} : { collect: () => metric.set(collect()) }),
        });
        return { set: (value: number, labels: Labels = {}) => metric.set(labels, value) };
      }),
    histogram: (declared) =>
      once(declared.name, () => {
        const metric = new PromHistogram({
          ...basics(declared),
          registers: [registry],
          ...(declared.buckets === undefined ? {} : { buckets: [...declared.buckets] }),
        });
        return { observe: (value: number, labels: Labels = {}) => metric.observe(labels, value) };
      }),
  };
  const closers: (() => void)[] = [];
  if (options.processMetrics ?? true) {
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: THEIR_RESOLUTION_MS });
    for (const kind of theirs) {
      registry.removeSingleMetric(`nodejs_eventloop_lag${kind}_seconds`);
    }
    closers.push(measureEventLoop(register));
  }
  return {
    ...register,
    contentType: registry.contentType,
    render: () => registry.metrics(),
    close: () => {
      for (const close of closers.splice(0)) close();
      registry.clear();
    },
  };
}

/** The viewers' loop is protected: its delay at p99 since the last scrape is a figure of its own. */
function measureEventLoop(register: MetricsRegister): () => void {
  const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  delay.enable();
  register.gauge({
    name: "leat_process_event_loop_delay_p99_seconds",
    help: "How late the event loop ran its timers since the last scrape, 99th percentile",
    collect: () => {
      // The sampler counts its own pause as delay.
      const seconds = Math.max(0, delay.percentile(99) / 1e9 - LOOP_RESOLUTION_MS / 1_000);
      delay.reset();
      return seconds;
    },
  });
  return () => delay.disable();
}

function basics(options: MetricOptions): { name: string; help: string; labelNames: string[] } {
  return { name: options.name, help: options.help, labelNames: [...(options.labelNames ?? [])] };
}
