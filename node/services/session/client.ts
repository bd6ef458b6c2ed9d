import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import { type Address, toAddress } from "@leat/sdk/protocol/hex.ts";
import { type Static, Type } from "typebox";
import { unlessAborted } from "../../kernel/abort.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { Startable } from "../../kernel/lifecycle.ts";
import { TaskGroup } from "../../kernel/task-group.ts";
import { PublicError } from "../../wire/errors.ts";
import type { Host } from "../../wire/host.ts";
import { createPatience } from "../../wire/patient-calls.ts";
import type { CallOptions } from "../../wire/rpc.ts";
import {
  type BalancerMethod,
  type BalancerRequest,
  type BalancerResponse,
  type NodeMethod,
  type NodeRequest,
  type NodeResponse,
  SESSION_VERSION,
} from "../../wire/session/messages.ts";
import type { Heartbeat, Hello, TableMark, Welcome } from "../../wire/session/presence.ts";
import { type BalancerContact, dialSession, type NodeSession } from "../../wire/session/session.ts";
import { ClockCheck } from "./clock-check.ts";
import { SessionError } from "./errors.ts";

export const sessionClientOptions = Type.Object(
  {
    balancers: Type.Array(
      Type.Object(
        {
          address: Type.String({ pattern: "^0x[0-9a-fA-F]{40}$", description: "Address of the balancer's key" }),
          multiaddrs: Type.Array(Type.String({ pattern: "^/", description: "an address such as /ip4/…/tcp/…/p2p/…" }), {
            description: "Where it is dialed, with its peer id",
          }),
        },
        { additionalProperties: false },
      ),
      { default: [], description: "Balancers of the cluster; a session is kept with each" },
    ),
    reconnectMinMs: Type.Integer({
      default: 200,
      minimum: 10,
      maximum: 60_000,
      description: "First pause before a lost session is dialed again; it doubles, with jitter",
    }),
    reconnectMaxMs: Type.Integer({
      default: 10_000,
      minimum: 10,
      maximum: 3_600_000,
      description: "Longest pause before a lost session is dialed again",
    }),
  },
  { default: {}, additionalProperties: false },
);
export type SessionClientOptions = Static<typeof sessionClientOptions>;

/** What a node says of itself; version, node and (unless given) multiaddrs are filled in. */
export type HelloFacts = Omit<Hello, "version" | "node" | "multiaddrs"> & { readonly multiaddrs?: readonly string[] };

export interface SessionClientComponents {
  readonly host: Host;
  /** Asked at every dial: jobs and offer are those of that moment. */
  readonly collectHello: () => HelloFacts | Promise<HelloFacts>;
  readonly collectHeartbeat: () => Omit<Heartbeat, "rttMs"> | Promise<Omit<Heartbeat, "rttMs">>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

/** A standing session, as its users see it. */
export interface ConnectedBalancer {
  readonly balancer: Address;
  readonly welcome: Welcome;
  /** What the newest heartbeat was answered. */
  readonly tableMark: TableMark | undefined;
}

export interface SessionCallOptions extends CallOptions {
  /** Which balancer; the first connected one when absent. */
  readonly balancer?: Address;
}

/** A node's sessions with the balancers of its cluster. */
export interface SessionClient {
  readonly connected: boolean;
  /** In the order in which they were configured. */
  readonly balancers: readonly ConnectedBalancer[];
  /** Throws SESSION_NOT_CONNECTED, RemoteError with the balancer's code, or a WireError. */
  call<M extends NodeMethod>(method: M, body: NodeRequest<M>, options?: SessionCallOptions): Promise<NodeResponse<M>>;
  /** What answers a balancer's calls. One per method, before start. Throw a CodedError to answer its code. */
  handle<M extends BalancerMethod>(
    method: M,
    handler: (body: BalancerRequest<M>, balancer: Address) => BalancerResponse<M> | Promise<BalancerResponse<M>>,
  ): void;
  /** Hears of every new session, also of one that comes back. Returns how to stop hearing. */
  onConnected(listener: (session: ConnectedBalancer) => void): () => void;
  onDisconnected(listener: (balancer: Address) => void): () => void;
}

/** Heartbeats on their way at once: of its calls a session must have room for others. */
const MAX_OPEN_BEATS = 8;

interface Standing extends ConnectedBalancer {
  readonly session: NodeSession;
  tableMark: TableMark | undefined;
}

type AnyHandler = (body: never, balancer: Address) => unknown;

export class SessionClientService implements SessionClient, Startable {
  readonly #components: SessionClientComponents;
  readonly #options: SessionClientOptions;
  readonly #contacts: readonly BalancerContact[];
  readonly #tasks: TaskGroup;
  readonly #patience = createPatience();
  readonly #handlers = new Map<string, AnyHandler>();
  readonly #standing = new Map<Address, Standing>();
  readonly #connectedListeners = new Set<(session: ConnectedBalancer) => void>();
  readonly #disconnectedListeners = new Set<(balancer: Address) => void>();
  readonly #clockCheck: ClockCheck;
  readonly #dials;

  constructor(components: SessionClientComponents, options: SessionClientOptions) {
    this.#clockCheck = new ClockCheck(components);
    this.#components = components;
    this.#options = options;
    this.#contacts = options.balancers.map(({ address, multiaddrs }) => ({ address: toAddress(address), multiaddrs }));
    this.#tasks = new TaskGroup({ clock: components.clock });
    this.#dials = components.metrics.counter({
      name: "leat_session_dials_total",
      help: "Attempts to open a session with a balancer",
      labelNames: ["result"],
    });
    components.metrics.gauge({
      name: "leat_session_balancers",
      help: "Balancers that a session stands with",
      collect: () => this.#standing.size,
    });
  }

  get connected(): boolean {
    return this.#standing.size > 0;
  }

  get balancers(): readonly ConnectedBalancer[] {
    return this.#contacts.flatMap(({ address }) => this.#standing.get(address) ?? []);
  }

  async start(): Promise<void> {
    for (const contact of this.#contacts) this.#tasks.run((signal) => this.#keepSession(contact, signal));
  }

  async stop(): Promise<void> {
    const closing = [...this.#standing.values()].map(({ session }) => session.close());
    await Promise.all([this.#tasks.close(), ...closing]);
  }

  async call<M extends NodeMethod>(
    method: M,
    body: NodeRequest<M>,
    options: SessionCallOptions = {},
  ): Promise<NodeResponse<M>> {
    const { balancer } = options;
    const wanted = balancer ?? this.balancers[0]?.balancer;
    const standing = wanted === undefined ? undefined : this.#standing.get(wanted);
    if (standing === undefined) throw new SessionError({ code: "SESSION_NOT_CONNECTED", balancer });
    return standing.session.call(method, body, options);
  }

  handle<M extends BalancerMethod>(
    method: M,
    handler: (body: BalancerRequest<M>, balancer: Address) => BalancerResponse<M> | Promise<BalancerResponse<M>>,
  ): void {
    if (this.#handlers.has(method)) throw new Error(`two handlers of ${method}`);
    this.#handlers.set(method, handler as AnyHandler);
  }

  onConnected(listener: (session: ConnectedBalancer) => void): () => void {
    this.#connectedListeners.add(listener);
    return () => this.#connectedListeners.delete(listener);
  }

  onDisconnected(listener: (balancer: Address) => void): () => void {
    this.#disconnectedListeners.add(listener);
    return () => this.#disconnectedListeners.delete(listener);
  }

  async #keepSession(contact: BalancerContact, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#components;
    let pauseMs = this.#options.reconnectMinMs;
    let lastCode: string | undefined;
    while (!signal.aborted) {
      try {
        const standing = await this.#connect(contact, signal);
        this.#dials.add(1, { result: "connected" });
        lastCode = undefined;
        pauseMs = this.#options.reconnectMinMs;
        const reason = await this.#stand(standing, signal);
        logger.info("Lose session", { balancer: contact.address, reason });
      } catch (error) {
        if (signal.aborted) return;
        this.#dials.add(1, { result: "failed" });
        // Once per reason: the operator must see why, and not every few seconds.
        const code = isCodedError(error) ? error.code : "UNKNOWN";
        if (code === lastCode) logger.debug("Fail to open session", { balancer: contact.address, error });
        else logger.warn("Fail to open session", { balancer: contact.address, error });
        lastCode = code;
      }
      if (signal.aborted) return;
      // Half to all of the pause: a cluster whose balancer comes back must not dial as one.
      await clock.sleep(pauseMs * (0.5 + Math.random() / 2), signal);
      pauseMs = Math.min(pauseMs * 2, this.#options.reconnectMaxMs);
    }
  }

  async #connect(contact: BalancerContact, signal: AbortSignal): Promise<Standing> {
    const { host, collectHello, logger } = this.#components;
    const session = await dialSession(
      host,
      contact,
      (method, body) => this.#answer(method, body, contact.address),
      { logger, scores: host.scores, patience: this.#patience },
      signal,
    );
    try {
      await this.#clockCheck.compare(contact.address, session, signal);
      const facts = await unlessAborted(Promise.resolve(collectHello()), signal);
      const hello: Hello = { multiaddrs: host.multiaddrs(), ...facts, version: SESSION_VERSION, node: host.address };
      const welcome = await session.call("hello", hello, { signal });
      if (welcome.balancer !== contact.address) {
        throw new SessionError({ code: "SESSION_WRONG_BALANCER", wanted: contact.address, found: welcome.balancer });
      }
      return { balancer: contact.address, welcome, session, tableMark: undefined };
    } catch (error) {
      // Not awaited: the peer that just failed would keep the next dial waiting.
      void session.close();
      throw error;
    }
  }

  /** Keeps the heartbeat until the session ends; tells why it did. */
  async #stand(standing: Standing, signal: AbortSignal): Promise<Error | undefined> {
    const { balancer, session } = standing;
    const over = new AbortController();
    const beating = this.#beat(standing, AbortSignal.any([signal, over.signal]));
    this.#standing.set(balancer, standing);
    this.#components.logger.info("Open session", { balancer });
    this.#tell(this.#connectedListeners, standing);
    const stop = () => void session.close();
    signal.addEventListener("abort", stop, { once: true });
    try {
      return await session.ended;
    } finally {
      signal.removeEventListener("abort", stop);
      this.#standing.delete(balancer);
      over.abort();
      await beating;
      this.#tell(this.#disconnectedListeners, balancer);
    }
  }

  async #beat(standing: Standing, signal: AbortSignal): Promise<void> {
    const { clock } = this.#components;
    const beats = new Set<Promise<void>>();
    while (!signal.aborted) {
      // A balancer that is slow to answer must not take us for silent: the next beat does not wait for its answer.
      if (beats.size < MAX_OPEN_BEATS) {
        const beat: Promise<void> = this.#beatOnce(standing, signal).finally(() => beats.delete(beat));
        beats.add(beat);
      }
      await clock.sleep(standing.welcome.heartbeatMs, signal).catch(() => {});
    }
    await Promise.all(beats);
  }

  async #beatOnce(standing: Standing, signal: AbortSignal): Promise<void> {
    const { host, collectHeartbeat, logger } = this.#components;
    const { session, balancer } = standing;
    try {
      const facts = await unlessAborted(Promise.resolve(collectHeartbeat()), signal);
      const rttMs = host.rttMs(balancer);
      const body = rttMs === undefined ? facts : { ...facts, rttMs };
      standing.tableMark = await session.call("heartbeat", body, { signal });
    } catch (error) {
      // A missed beat is no end: the stream itself tells when the balancer is gone.
      if (!signal.aborted) logger.warn("Miss heartbeat", { balancer, error });
    }
  }

  async #answer(method: string, body: unknown, balancer: Address): Promise<unknown> {
    const handler = this.#handlers.get(method);
    if (handler === undefined) throw new PublicError({ code: "METHOD_UNKNOWN" });
    return handler(body as never, balancer);
  }

  #tell<T>(listeners: ReadonlySet<(value: T) => void>, value: T): void {
    for (const listener of listeners) {
      try {
        listener(value);
      } catch (error) {
        this.#components.logger.error("Fail in session listener", { error });
      }
    }
  }
}
