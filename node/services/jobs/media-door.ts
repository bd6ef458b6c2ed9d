import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import type { MediaConnection, MediaMessage, SubscribeMessage } from "@leat/node/wire/media/message.ts";
import { CodedError, isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import { hashPricedPull } from "@leat/sdk/protocol/job.ts";
import type { Statements } from "@leat/sdk/protocol/statements.ts";
import { checkAssignment, findQuoteFault, JobError } from "./assignment.ts";
import type { JobSession } from "./ports.ts";

/** Who dials and does not say what for is cut off. */
const SILENCE_MS = 10_000;

export class MediaDoorError extends CodedError<
  { code: "MEDIA_SUBSCRIPTION_MISSING"; found: string } | { code: "MEDIA_STREAM_UNKNOWN" } | { code: "MEDIA_STOPPED" }
> {}

/** A service that has streams which other nodes may subscribe to. */
export interface MediaHolder {
  /**
   * Serves a peer whose assignment was checked until it leaves; undefined where the stream is not held here. What is not
   * to be had is a code.
   */
  hold(connection: MediaConnection, subscribe: SubscribeMessage): Promise<void> | string | undefined;
}

export interface MediaDoorComponents {
  readonly session: Pick<JobSession, "welcome">;
  readonly statements: Statements;
  readonly domain: Domain;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

/** Where peers that dial for media come in: lets those in whom the balancer gave a job, to whoever holds the stream. */
export class MediaDoor implements Startable {
  readonly #components: MediaDoorComponents;
  readonly #tasks: TaskGroup;
  readonly #holders: MediaHolder[] = [];
  readonly #refused;
  #started = false;

  constructor(components: MediaDoorComponents) {
    this.#components = components;
    this.#tasks = new TaskGroup({ clock: components.clock });
    this.#refused = components.metrics.counter({
      name: "leat_media_subscriptions_refused_total",
      help: "Media subscriptions of other nodes that were refused",
    });
  }

  async start(): Promise<void> {
    this.#started = true;
  }

  /** Links end with their holders, which stop first. */
  async stop(): Promise<void> {
    await this.#tasks.close();
  }

  /** Asked in the order in which they came. Call before the first peer is let in. */
  register(holder: MediaHolder): void {
    this.#holders.push(holder);
  }

  /** Serves a peer that dialed for media. */
  serve(connection: MediaConnection): void {
    if (!this.#started || this.#tasks.signal.aborted) connection.abort(new MediaDoorError({ code: "MEDIA_STOPPED" }));
    else this.#tasks.run((signal) => this.#accept(connection, signal));
  }

  async #accept(connection: MediaConnection, signal: AbortSignal): Promise<void> {
    const { logger } = this.#components;
    const stop = () => connection.abort(new MediaDoorError({ code: "MEDIA_STOPPED" }));
    signal.addEventListener("abort", stop, { once: true });
    try {
      const subscribe = await this.#readFirst(connection, signal);
      if (subscribe?.type !== "subscribe") {
        throw new MediaDoorError({ code: "MEDIA_SUBSCRIPTION_MISSING", found: subscribe?.type ?? "end" });
      }
      const held = this.#check(connection, subscribe) ?? this.#find(connection, subscribe);
      if (typeof held !== "string") return await held;
      this.#refused.add();
      await connection.send({ type: "refused", code: held });
      await connection.close();
    } catch (error) {
      // One peer's fault or loss is never another's: it is cut off, and asks again if it can.
      const code = isCodedError(error) ? error.code : undefined;
      logger[code === undefined ? "warn" : "info"]("Media link ended", { peer: connection.remoteAddress, code, error });
      connection.abort(error instanceof Error ? error : new MediaDoorError({ code: "MEDIA_STOPPED" }));
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** Leaving the loop loses nothing: whoever reads next goes on after the first message. */
  async #readFirst(connection: MediaConnection, signal: AbortSignal): Promise<MediaMessage | undefined> {
    const heard = new AbortController();
    const silence = new MediaDoorError({ code: "MEDIA_SUBSCRIPTION_MISSING", found: "nothing" });
    this.#components.clock.sleep(SILENCE_MS, AbortSignal.any([heard.signal, signal])).then(
      () => connection.abort(silence),
      () => {},
    );
    try {
      for await (const message of connection.messages) return message;
      return undefined;
    } finally {
      heard.abort();
    }
  }

  #find(connection: MediaConnection, subscribe: SubscribeMessage): Promise<void> | string {
    for (const holder of this.#holders) {
      const held = holder.hold(connection, subscribe);
      if (held !== undefined) return held;
    }
    return "MEDIA_STREAM_UNKNOWN";
  }

  /** Why the peer may not subscribe here. */
  #check(connection: MediaConnection, { assignment, quote, spec }: SubscribeMessage): string | undefined {
    const { statements, domain, session, clock } = this.#components;
    const balancers = session.welcome === undefined ? [] : [session.welcome.balancer];
    try {
      const node = connection.remoteAddress;
      checkAssignment(assignment, { statements, domain, balancers, node, nowMs: clock.nowMs() });
      // The balancer signed this stream and this use of it, and no other.
      const field = findQuoteFault(assignment.value, quote, hashPricedPull(spec), domain);
      return field === undefined ? undefined : "JOB_QUOTE_WRONG";
    } catch (error) {
      if (!(error instanceof JobError)) throw error;
      return error.code;
    }
  }
}
