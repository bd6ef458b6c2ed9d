import type { Counter, MetricsRegister } from "@leat/sdk/base/metrics.ts";

export interface FramingLimits {
  readonly maxMessageBytes: number;
  /** Complete messages that wait for their reader; beyond either the peer is asked to pause. */
  readonly maxQueuedBytes: number;
  readonly maxQueuedMessages: number;
  /** For the peer's first message, after opening. */
  readonly firstMessageMs: number;
  /** For the rest of a message that began. A peer that trickles bytes is cut off. */
  readonly restOfMessageMs: number;
  /** For room to send. A peer that stops reading is cut off. */
  readonly sendMs: number;
  /** For the peer's goodbye after ours. */
  readonly closeMs: number;
}

/** A frame of 6 MiB over 4 Mb/s takes 13 s: 30 s leave room and still end a slowloris. */
export const defaultFramingLimits: Omit<FramingLimits, "maxMessageBytes"> = {
  maxQueuedBytes: 1_048_576,
  maxQueuedMessages: 256,
  firstMessageMs: 10_000,
  restOfMessageMs: 30_000,
  sendMs: 30_000,
  closeMs: 5_000,
};

export interface FramingMetrics {
  readonly received: Counter;
  readonly sent: Counter;
  readonly broken: Counter;
}

export function createFramingMetrics(metrics: MetricsRegister): FramingMetrics {
  const labelNames = ["protocol"];
  return {
    received: metrics.counter({
      name: "leat_wire_received_bytes_total",
      help: "Bytes of messages received",
      labelNames,
    }),
    sent: metrics.counter({ name: "leat_wire_sent_bytes_total", help: "Bytes of messages sent", labelNames }),
    broken: metrics.counter({
      name: "leat_wire_streams_broken_total",
      help: "Streams that ended otherwise than by goodbyes",
      labelNames: ["protocol", "code"],
    }),
  };
}
