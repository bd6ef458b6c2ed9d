import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { MetricsRegister } from "@leat/sdk/base/metrics.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { verifyOffer } from "@leat/sdk/protocol/offer-body.ts";
import type { Statements } from "@leat/sdk/protocol/statements.ts";
import { type Static, Type } from "typebox";
import type { Clock } from "../../kernel/clock.ts";
import type { Startable } from "../../kernel/lifecycle.ts";
import { TaskGroup } from "../../kernel/task-group.ts";
import { PublicError, WireError } from "../../wire/errors.ts";
import type { FramedStream } from "../../wire/framing.ts";
import type { Host } from "../../wire/host.ts";
import { createPatience } from "../../wire/patient-calls.ts";
import type { CallOptions } from "../../wire/rpc.ts";
import type {
  BalancerMethod,
  BalancerRequest,
  BalancerResponse,
  NodeMethod,
  NodeRequest,
  NodeResponse,
} from "../../wire/session/messages.ts";
import type { Heartbeat, Hello, TableMark, Welcome } from "../../wire/session/presence.ts";
import { type BalancerSession, handleSessions, openBalancerSession } from "../../wire/session/session.ts";
import type { Delegates } from "../payment/delegates.ts";

export const sessionHubOptions = Type.Object(
  {
    heartbeatMs: Type.Integer({
      default: 1_000,
      minimum: 100,
      maximum: 600_000,
      description: "Pause between a node's heartbeats",
    }),
    missedHeartbeats: Type.Integer({
      default: 10,
      minimum: 2,
      maximum: 1_000,
      description: "Heartbeats that a node may miss before its session ends",
    }),
    maxSessions: Type.Integer({
      default: 10_000,
      minimum: 1,
      maximum: 1_000_000,
      description: "Sessions held at once; each takes up to 370 KB",
    }),
  },
  { default: {}, additionalProperties: false },
);
export type SessionHubOptions = Static<typeof sessionHubOptions>;

export interface SessionHubComponents {
  readonly host: Host;
  readonly statements: Pick<Statements, "recoverSigner">;
  readonly domain: Domain;
  readonly cluster: bigint;
  /** Membership and whatever else decides: throws a CodedError, whose code the node gets. */
  readonly admit: (hello: Hello) => void | Promise<void>;
  /** Who may act for an account that is not its own. */
  readonly delegates: Delegates;
  readonly welcome: () =>
    | Omit<Welcome, "balancer" | "heartbeatMs">
    | Promise<Omit<Welcome, "balancer" | "heartbeatMs">>;
  /** Where the node stands in the newest candidate table. */
  readonly markTable: (node: Address) => TableMark;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegister;
}

/** What the hub answers by itself. */
type PresenceMethod = "hello" | "heartbeat" | "clock.read";

/** A node that is in session. */
export interface NodePresence {
  /** Whom it is present for: itself, or as a buyer's agent the account that it acts for. Its own key is in `hello`. */
  readonly node: Address;
  readonly hello: Hello;
  /** Milliseconds since 1970, by this balancer's clock. */
  readonly joinedAtMs: number;
  /** Absent until the first has come. */
  readonly heartbeat: Heartbeat | undefined;
  readonly heartbeatAtMs: number | undefined;
}

export class SessionHubError extends CodedError<{ code: "SESSION_NODE_ABSENT"; node: Address }> {}

/** Every node's session, as the balancer holds them. */
export interface SessionHub {
  readonly nodes: ReadonlyMap<Address, NodePresence>;
  /** Throws SESSION_NODE_ABSENT, RemoteError with the node's code, or a WireError. */
  call<M extends BalancerMethod>(
    node: Address,
    method: M,
    body: BalancerRequest<M>,
    options?: CallOptions,
  ): Promise<BalancerResponse<M>>;
  /** What answers the nodes' calls, those of presence apart. One per method, before start. */
  handle<M extends Exclude<NodeMethod, PresenceMethod>>(
    method: M,
    handler: (from: Address, body: NodeRequest<M>) => NodeResponse<M> | Promise<NodeResponse<M>>,
  ): void;
  /** A node joined, or came back with a new session in place of its old one. Returns how to stop hearing. */
  onJoined(listener: (presence: NodePresence) => void): () => void;
  /** Its session is gone and none took its place. */
  onLeft(listener: (presence: NodePresence) => void): () => void;
  onHeartbeat(listener: (presence: NodePresence) => void): () => void;
}

interface Present extends NodePresence {
  readonly session: BalancerSession;
  /** Rounds in a row in which nothing was heard of it. */
  silentRounds: number;
  heartbeat: Heartbeat | undefined;
  heartbeatAtMs: number | undefined;
}

type AnyHandler = (from: Address, body: never) => unknown;

export class SessionHubService implements SessionHub, Startable {
  readonly #components: SessionHubComponents;
  readonly #options: SessionHubOptions;
  readonly #tasks: TaskGroup;
  readonly #patience = createPatience();
  readonly #handlers = new Map<string, AnyHandler>();
  readonly #nodes = new Map<Address, Present>();
  readonly #bySession = new Map<BalancerSession, Present>();
  /** All sessions, those that said no hello yet too: both count against the limit. */
  readonly #sessions = new Set<BalancerSession>();
  readonly #joined = new Set<(presence: NodePresence) => void>();
  readonly #left = new Set<(presence: NodePresence) => void>();
  readonly #heartbeats = new Set<(presence: NodePresence) => void>();
  readonly #started = Promise.withResolvers<void>();
  #isStopping = false;

  constructor(components: SessionHubComponents, options: SessionHubOptions) {
    this.#components = components;
    this.#options = options;
    this.#tasks = new TaskGroup({
      clock: components.clock,
      onError: (error) => components.logger.error("Look after sessions failed", { error }),
    });
    components.metrics.gauge({
      name: "leat_session_nodes",
      help: "Nodes in session with this balancer",
      collect: () => this.#nodes.size,
    });
    handleSessions(components.host, (stream) => this.#accept(stream));
  }

  get nodes(): ReadonlyMap<Address, NodePresence> {
    return this.#nodes;
  }

  /** To be called when all who must hear of nodes listen: those that dialed before are greeted now. */
  async start(): Promise<void> {
    this.#started.resolve();
    this.#tasks.every(this.#options.heartbeatMs, () => this.#dropSilent());
    // Apart: a chain that is slow to answer must not keep the silent in session.
    this.#tasks.every(this.#options.heartbeatMs, () => this.#dropEnded());
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#started.resolve();
    await Promise.all([this.#tasks.close(), ...[...this.#sessions].map((session) => session.close())]);
  }

  async call<M extends BalancerMethod>(
    node: Address,
    method: M,
    body: BalancerRequest<M>,
    options?: CallOptions,
  ): Promise<BalancerResponse<M>> {
    const present = this.#nodes.get(node);
    if (present === undefined) throw new SessionHubError({ code: "SESSION_NODE_ABSENT", node });
    return present.session.call(method, body, options);
  }

  handle<M extends Exclude<NodeMethod, PresenceMethod>>(
    method: M,
    handler: (from: Address, body: NodeRequest<M>) => NodeResponse<M> | Promise<NodeResponse<M>>,
  ): void {
    if (this.#handlers.has(method)) throw new Error(`two handlers of ${method}`);
    this.#handlers.set(method, handler as AnyHandler);
  }

  onJoined(listener: (presence: NodePresence) => void): () => void {
    return subscribe(this.#joined, listener);
  }

  onLeft(listener: (presence: NodePresence) => void): () => void {
    return subscribe(this.#left, listener);
  }

  onHeartbeat(listener: (presence: NodePresence) => void): () => void {
    return subscribe(this.#heartbeats, listener);
  }

  #accept(stream: FramedStream): void {
    if (this.#isStopping || this.#sessions.size >= this.#options.maxSessions) {
      stream.abort(new PublicError({ code: "SESSION_FULL" }));
      return;
    }
    const { host, logger } = this.#components;
    const answer = (method: string, body: unknown) => this.#answer(session, method, body);
    const components = { logger, scores: host.scores, patience: this.#patience };
    const session: BalancerSession = openBalancerSession(stream, answer, components);
    this.#sessions.add(session);
    void session.ended.then((reason) => {
      this.#sessions.delete(session);
      this.#leave(session, reason);
    });
  }

  async #answer(session: BalancerSession, method: string, body: unknown): Promise<unknown> {
    if (method === "hello") return this.#greet(session, body as Hello);
    if (method === "clock.read") return { nowMs: this.#components.clock.nowMs() };
    const present = this.#bySession.get(session);
    if (present === undefined || this.#nodes.get(present.node) !== present) {
      throw new PublicError({ code: "SESSION_HELLO_MISSING" });
    }
    present.silentRounds = 0;
    if (method === "heartbeat") return this.#takeHeartbeat(present, body as Heartbeat);
    const handler = this.#handlers.get(method);
    if (handler === undefined) throw new PublicError({ code: "METHOD_UNKNOWN" });
    return handler(present.node, body as never);
  }

  async #greet(session: BalancerSession, hello: Hello): Promise<Welcome> {
    const { admit, welcome, clock, host, logger } = this.#components;
    const node = hello.account ?? session.remoteAddress;
    if (hello.node !== session.remoteAddress) {
      session.countBad();
      throw new PublicError({ code: "SESSION_NODE_WRONG" });
    }
    this.#checkOffer(hello);
    await this.#started.promise;
    await this.#checkAccount(hello);
    await admit(hello);
    const words = await welcome();
    if (!this.#sessions.has(session)) throw new PublicError({ code: "SESSION_CLOSED" });
    const older = this.#nodes.get(node)?.session;
    const present: Present = {
      node,
      hello,
      joinedAtMs: clock.nowMs(),
      session,
      silentRounds: 0,
      heartbeat: undefined,
      heartbeatAtMs: undefined,
    };
    // One that greets again as somebody else is not both.
    const former = this.#bySession.get(session);
    if (former !== undefined && former.node !== node) this.#leave(session, undefined);
    this.#nodes.set(node, present);
    this.#bySession.set(session, present);
    // A node that restarted knows nothing of its old session; nobody must wait for that one's timeouts.
    if (older !== undefined && older !== session) older.abort(new PublicError({ code: "SESSION_REPLACED" }));
    logger.info("Greet node", { node, roles: hello.roles.join(","), isBack: older !== undefined });
    // After the answer is on its way: who hears of the node may call it at once.
    setImmediate(() => {
      if (this.#nodes.get(node) === present) this.#tell(this.#joined, present);
    });
    return { ...words, balancer: host.address, heartbeatMs: this.#options.heartbeatMs };
  }

  /** Who acts for another's account is a buyer's agent and nothing else, and was allotted something by that account. */
  async #checkAccount({ node, account = node, roles }: Hello): Promise<void> {
    if (account === node) return;
    if (roles.some((role) => role !== "buyer")) throw new PublicError({ code: "SESSION_ACCOUNT_UNWANTED" });
    const standing = await this.#components.delegates.standingOf(account, node);
    if (standing === "none") throw new PublicError({ code: "SESSION_ACCOUNT_NOT_ALLOTTED" });
    if (standing === "ended") throw new PublicError({ code: "SESSION_ACCOUNT_ENDED" });
  }

  #checkOffer({ node, roles, offer }: Hello): void {
    const { statements, domain, cluster, clock } = this.#components;
    if (offer === undefined) {
      if (roles.some((role) => role !== "buyer")) throw new PublicError({ code: "SESSION_OFFER_MISSING" });
      return;
    }
    if (offer.node !== node || offer.body.cluster !== cluster) throw new PublicError({ code: "SESSION_OFFER_WRONG" });
    try {
      verifyOffer(statements, domain, offer, BigInt(Math.floor(clock.nowMs() / 1_000)));
    } catch (cause) {
      // Not counted as bad: a wrong clock or a wrong network's settings are an honest node's mistakes too.
      throw new PublicError({ code: "SESSION_OFFER_INVALID" }, { cause });
    }
  }

  #takeHeartbeat(present: Present, heartbeat: Heartbeat): TableMark {
    present.heartbeat = heartbeat;
    present.heartbeatAtMs = this.#components.clock.nowMs();
    this.#tell(this.#heartbeats, present);
    return this.#components.markTable(present.node);
  }

  /**
   * A node whose loop hangs or whose network is cut keeps its stream for long: silence is judged here. It is counted in
   * our own rounds, not by the clock: while this process is held up it hears nobody, and a whole cluster would be gone.
   */
  #dropSilent(): void {
    for (const present of this.#nodes.values()) {
      present.silentRounds += 1;
      if (present.silentRounds <= this.#options.missedHeartbeats) continue;
      this.#components.logger.warn("Drop silent node", { node: present.node });
      present.session.abort(new WireError({ code: "WIRE_PEER_SLOW", waitedFor: "answer" }));
    }
  }

  /** An agent whose account took its right back must not go on speaking for it. */
  async #dropEnded(): Promise<void> {
    for (const present of this.#nodes.values())
      if (present.hello.node !== present.node) await this.#judgeAgent(present);
  }

  async #judgeAgent({ node: account, hello, session }: Present): Promise<void> {
    const { delegates, logger } = this.#components;
    try {
      if ((await delegates.standingOf(account, hello.node)) === "stands") return;
    } catch (error) {
      // A chain that does not answer says nothing against the agent: the next round asks again.
      logger.warn("Fail to read what an agent is allotted", { account, node: hello.node, error });
      return;
    }
    logger.warn("Drop agent that was revoked", { account, node: hello.node });
    session.abort(new PublicError({ code: "SESSION_ACCOUNT_ENDED" }));
  }

  #leave(session: BalancerSession, reason: Error | undefined): void {
    const present = this.#bySession.get(session);
    this.#bySession.delete(session);
    if (present === undefined || this.#nodes.get(present.node) !== present) return;
    this.#nodes.delete(present.node);
    this.#components.logger.info("Lose node", { node: present.node, reason });
    this.#tell(this.#left, present);
  }

  #tell(listeners: ReadonlySet<(presence: NodePresence) => void>, presence: NodePresence): void {
    for (const listener of listeners) {
      try {
        listener(presence);
      } catch (error) {
        this.#components.logger.error("Fail in session listener", { error });
      }
    }
  }
}

function subscribe<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
