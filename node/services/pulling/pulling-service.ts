import type { Clock } from "@leat/node/kernel/clock.ts";
import type { Startable } from "@leat/node/kernel/lifecycle.ts";
import type { ResolveName } from "@leat/node/kernel/net/name-lookup.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { PullError } from "@leat/node/media-io/pull/errors.ts";
import type { PullOptions } from "@leat/node/media-io/pull/options.ts";
import { Outbound } from "@leat/node/media-io/pull/outbound.ts";
import { pullSchemes } from "@leat/node/media-io/pull/source-url.ts";
import type { SrtService } from "@leat/node/media-io/srt/srt-service.ts";
import { PublicError, RemoteError } from "@leat/node/wire/errors.ts";
import type { BalancerRequest, BalancerResponse } from "@leat/node/wire/session/messages.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { pullGivenBack } from "@leat/sdk/protocol/pull.ts";
import type { Ingest } from "../ingest/ingest-service.ts";
import type { JobSession } from "../jobs/ports.ts";
import { PullingError } from "./errors.ts";
import { Pull } from "./pull.ts";

export interface PullingComponents {
  readonly session: Pick<JobSession, "call" | "handle">;
  readonly ingest: Pick<Ingest, "authorizePulled">;
  readonly resolve?: ResolveName;
  /** Absent where the node has no SRT. */
  readonly srt?: Pick<SrtService, "call" | "fault">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

export interface Pulling {
  /** What kinds of source can be pulled here; none where it is switched off. */
  readonly schemes: readonly string[];
}

interface Running {
  readonly pull: Pull;
  readonly url: string;
  readonly stopping: AbortController;
  readonly done: Promise<void>;
}

/** Sources for each that may be fetched at once, with those that rest because nothing comes of them. */
const KNOWN_PER_PLACE = 8;

/** Fetches the sources that the balancer names, and publishes what they give as a publisher would. */
export class PullingService implements Pulling, Startable {
  readonly #components: PullingComponents;
  readonly #options: PullOptions;
  readonly #outbound: Outbound;
  readonly #tasks: TaskGroup;
  readonly #running = new Map<Hex, Running>();
  readonly #turns = new Map<Hex, Promise<void>>();
  readonly #lost;

  constructor(components: PullingComponents, options: PullOptions) {
    this.#components = components;
    this.#options = options;
    this.#outbound = new Outbound(options, components.resolve);
    this.#tasks = new TaskGroup({
      clock: components.clock,
      onError: (error) => components.logger.error("Pull source failed", { error }),
    });
    const { metrics } = components;
    metrics.gauge({ name: "leat_pull_sources", help: "Sources that are fetched", collect: () => this.#countPlaces() });
    this.#lost = metrics.counter({ name: "leat_pull_failures_total", help: "Attempts to fetch a source that failed" });
  }

  get schemes(): readonly string[] {
    const { srt } = this.#components;
    if (!this.#options.enabled) return [];
    const hasSrt = srt !== undefined && srt.fault === undefined;
    return pullSchemes.filter((scheme) => scheme !== "srt" || hasSrt);
  }

  async start(): Promise<void> {
    const { session } = this.#components;
    session.handle("pull.check", (request) => answerPublicly(() => this.#check(request)));
    session.handle("pull.begin", (request) =>
      answerPublicly(() => this.#inTurn(request.stream, () => this.#begin(request))),
    );
    session.handle("pull.end", async ({ stream }) => {
      await this.#inTurn(stream, () => this.#end(stream));
      return {};
    });
  }

  async stop(): Promise<void> {
    await this.#tasks.close();
  }

  async #check({ url }: BalancerRequest<"pull.check">): Promise<Record<string, never>> {
    this.#requireRoom();
    await this.#outbound.check(url, this.#tasks.signal);
    return {};
  }

  /** What the balancer says of one stream is done in its order: to let go of a source takes a moment. */
  #inTurn<T>(stream: Hex, work: () => Promise<T>): Promise<T> {
    const done = (this.#turns.get(stream) ?? Promise.resolve()).then(work);
    const turn: Promise<void> = done.then(
      () => {},
      () => {},
    );
    this.#turns.set(stream, turn);
    void turn.then(() => {
      if (this.#turns.get(stream) === turn) this.#turns.delete(stream);
    });
    return done;
  }

  async #begin({ stream, url }: BalancerRequest<"pull.begin">): Promise<BalancerResponse<"pull.begin">> {
    const held = this.#running.get(stream);
    if (held?.url === url) return { code: held.pull.code ?? null };
    if (held !== undefined) await this.#end(stream);
    this.#requireRoom();
    this.#run(stream, url);
    return { code: null };
  }

  #requireRoom(): void {
    const { enabled, maxPulls: limit } = this.#options;
    if (!enabled || this.#tasks.signal.aborted) throw new PullingError({ code: "PULL_DISABLED" });
    if (this.#running.size >= KNOWN_PER_PLACE * limit) throw new PullError({ code: "PULL_PULLS_EXCEEDED", limit });
    this.#requirePlace();
  }

  #requirePlace(): void {
    const { maxPulls: limit } = this.#options;
    if (this.#countPlaces() >= limit) throw new PullError({ code: "PULL_PULLS_EXCEEDED", limit });
  }

  #countPlaces(): number {
    return [...this.#running.values()].filter(({ pull }) => !pull.isResting).length;
  }

  #run(stream: Hex, url: string): void {
    const { ingest, clock, logger } = this.#components;
    const stopping = new AbortController();
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const pull = new Pull({
      url,
      outbound: this.#outbound,
      srt: this.#components.srt,
      options: this.#options,
      clock,
      logger: logger.child({ streamId: stream }),
      requirePlace: () => this.#requirePlace(),
      authorize: (signal) => ingest.authorizePulled(stream, signal),
      onState: (code) => this.#tell(stream, code),
    });
    const running: Running = { pull, url, stopping, done };
    this.#running.set(stream, running);
    this.#tasks.run(async (signal) => {
      try {
        await pull.run(AbortSignal.any([signal, stopping.signal]));
      } catch (error) {
        if (!stopping.signal.aborted) throw error;
      } finally {
        if (this.#running.get(stream) === running) this.#running.delete(stream);
        resolve();
      }
    });
  }

  async #end(stream: Hex): Promise<void> {
    const held = this.#running.get(stream);
    held?.stopping.abort();
    await held?.done;
  }

  /** Whoever misses it is told with the next answer to `pull.begin`; of a source that is given back there is none. */
  #tell(stream: Hex, code: string | null): void {
    const { session, clock, logger } = this.#components;
    if (code !== null) this.#lost.add();
    if (this.#tasks.signal.aborted) return;
    this.#tasks.run(async (signal) => {
      do {
        try {
          await session.call("pull.state", { stream, code });
          return;
        } catch (error) {
          logger.debug("Tell state of pull failed", { error });
          if (error instanceof RemoteError || code === null || !pullGivenBack.has(code)) return;
        }
        await clock.sleep(this.#options.retryMaxMs, signal);
      } while (!this.#running.has(stream));
    });
  }
}

/** A buyer is told the code; the facts would tell it what is around this node. */
async function answerPublicly<T>(answer: () => Promise<T>): Promise<T> {
  try {
    return await answer();
  } catch (error) {
    if (isCodedError(error)) throw new PublicError({ code: error.code }, { cause: error });
    throw error;
  }
}
