import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { RemoteError } from "@leat/node/wire/errors.ts";
import type { NodeRequest } from "@leat/node/wire/session/messages.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { type Static, Type } from "typebox";
import type { JobSession } from "./ports.ts";

export const outboxOptions = Type.Object(
  {
    retryMs: Type.Integer({
      default: 500,
      minimum: 10,
      maximum: 60_000,
      description: "Pause before a receipt or check that the balancer did not answer is sent again, milliseconds",
    }),
    sendsAtOnce: Type.Integer({
      default: 32,
      minimum: 1,
      maximum: 32,
      description: "Receipts and checks on their way to the balancer at one time",
    }),
  },
  { default: {}, additionalProperties: false },
);

/** What must reach the balancer, whatever happens in between. */
export type OutboxItem =
  | { readonly method: "receipt.submit"; readonly body: NodeRequest<"receipt.submit"> }
  | { readonly method: "check.submit"; readonly body: NodeRequest<"check.submit"> };

/** Keeps items until they are acknowledged. `put` resolves when the item is on disk. */
export interface OutboxStore {
  put(key: string, item: OutboxItem): Promise<void>;
  delete(key: string): Promise<void>;
  /** All that is kept, in the order of its keys. */
  list(): Promise<readonly { readonly key: string; readonly item: OutboxItem }[]>;
}

export interface Outbox {
  /** Resolves when the item is durable. It is sent, verbatim, until the balancer accepts or refuses it. */
  post(key: string, item: OutboxItem): Promise<void>;
  /** Whether the balancer has neither accepted nor refused the item of this key. */
  isWaiting(key: string): boolean;
  /** How many items whose keys begin with `prefix` the balancer has neither accepted nor refused. */
  countWaiting(prefix: string): number;
  /** Resolves when nothing is waiting. */
  drained(): Promise<void>;
}

export interface OutboxComponents {
  readonly store: OutboxStore;
  readonly session: Pick<JobSession, "call">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

/** Refusals that do not change by asking again begin so; anything else may be a balancer that is away or starting. */
const finalCodes = /^(RECEIPT|CHECK|JOB|STREAM)_/;
/** The balancer cannot tell yet whose the segment is, and says nothing of any other. */
const unknownEnd = "ATTEMPT_END_UNKNOWN";
const LONGEST_REST_MS = 10_000;

export class OutboxService implements Outbox, Startable {
  readonly #components: OutboxComponents;
  readonly #options: Static<typeof outboxOptions>;
  readonly #waiting = new Map<string, OutboxItem>();
  readonly #sending = new Set<string>();
  /** Of an attempt whose end is not known: they hold up nothing else. */
  readonly #resting = new Set<string>();
  /** How long the next rest of such a one is, milliseconds. */
  readonly #restMs = new Map<string, number>();
  readonly #tasks: TaskGroup;
  readonly #refused;
  #idle: (() => void)[] = [];
  #started = false;

  constructor(components: OutboxComponents, options: Static<typeof outboxOptions>) {
    this.#components = components;
    this.#options = options;
    this.#tasks = new TaskGroup({
      clock: components.clock,
      onError: (error) => components.logger.error("Send outbox item failed", { error }),
    });
    this.#refused = components.metrics.counter({
      name: "leat_jobs_outbox_refused_total",
      help: "Receipts and checks that the balancer refused",
    });
    components.metrics.gauge({
      name: "leat_jobs_outbox_waiting",
      help: "Receipts and checks that the balancer has not acknowledged",
      collect: () => this.#waiting.size,
    });
  }

  async start(): Promise<void> {
    for (const { key, item } of await this.#components.store.list()) this.#waiting.set(key, item);
    this.#started = true;
    this.#pump();
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
  }

  async post(key: string, item: OutboxItem): Promise<void> {
    await this.#components.store.put(key, item);
    this.#waiting.set(key, item);
    this.#pump();
  }

  isWaiting(key: string): boolean {
    return this.#waiting.has(key);
  }

  countWaiting(prefix: string): number {
    let count = 0;
    for (const key of this.#waiting.keys()) if (key.startsWith(prefix)) count += 1;
    return count;
  }

  async drained(): Promise<void> {
    if (this.#waiting.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #pump(): void {
    if (!this.#started || this.#tasks.signal.aborted) return;
    for (const [key, item] of this.#waiting) {
      if (this.#sending.size >= this.#options.sendsAtOnce) return;
      if (this.#sending.has(key) || this.#resting.has(key)) continue;
      this.#sending.add(key);
      this.#tasks.run((signal) => this.#send(key, item, signal));
    }
  }

  async #send(key: string, item: OutboxItem, signal: AbortSignal): Promise<void> {
    const { session, store, clock, logger } = this.#components;
    try {
      for (;;) {
        try {
          await (item.method === "receipt.submit"
            ? session.call(item.method, item.body)
            : session.call(item.method, item.body));
          break;
        } catch (error) {
          if (!isCodedError(error)) throw error;
          if (error instanceof RemoteError && finalCodes.test(error.code)) {
            this.#refused.add();
            logger.warn("Outbox item was refused", { method: item.method, code: error.code });
            break;
          }
          if (error instanceof RemoteError && error.code === unknownEnd) return this.#rest(key);
          await clock.sleep(this.#options.retryMs, signal);
        }
      }
      await store.delete(key);
      this.#waiting.delete(key);
      this.#restMs.delete(key);
    } finally {
      this.#sending.delete(key);
      this.#pump();
      if (this.#waiting.size === 0) {
        for (const wake of this.#idle.splice(0)) wake();
      }
    }
  }

  /** Longer each time: it may be that nobody takes the job for as long as its stream lives. */
  #rest(key: string): void {
    const restMs = this.#restMs.get(key) ?? this.#options.retryMs;
    this.#restMs.set(key, Math.min(2 * restMs, Math.max(LONGEST_REST_MS, this.#options.retryMs)));
    this.#resting.add(key);
    this.#tasks.run(async (signal) => {
      await this.#components.clock.sleep(restMs, signal);
      this.#resting.delete(key);
      this.#pump();
    });
  }
}
