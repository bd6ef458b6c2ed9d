import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { type Address, bytesToHex, type Hex } from "@leat/sdk/protocol/hex.ts";
import type { RunningJob } from "@leat/sdk/protocol/job.ts";
import type { Clock } from "../../node/kernel/clock.ts";
import { nativeStatements } from "../../node/kernel/secp.ts";
import { PlaybackError } from "../../node/media-io/access/errors.ts";
import { type OwnerAsker, PolicyAccess, type ViewerAccess } from "../../node/media-io/access/viewer-access.ts";
import { accessOptions, WebhookAsker } from "../../node/media-io/access/webhook.ts";
import { BalancerService } from "../../node/services/balancer/balancer-service.ts";
import { type BalancerOptions, balancerOptions } from "../../node/services/balancer/options.ts";
import type { BalancerComponents } from "../../node/services/balancer/ports.ts";
import type { Evidence } from "../../node/services/faults/evidence-service.ts";
import type { Work } from "../../node/services/payment/index.ts";
import { type NodePresence, type SessionHub, SessionHubError } from "../../node/services/session/hub.ts";
import type { NewsItem } from "../../node/services/webhooks/webhook-service.ts";
import { AudienceStore } from "../../node/store/sql/audience-store.ts";
import type { SqlDatabase } from "../../node/store/sql/database.ts";
import { JobStore } from "../../node/store/sql/job-store.ts";
import { SelectionStore } from "../../node/store/sql/selection-store.ts";
import { StreamStore } from "../../node/store/sql/stream-store.ts";
import { PublicError } from "../../node/wire/errors.ts";
import type {
  BalancerMethod,
  BalancerRequest,
  BalancerResponse,
  NodeMethod,
  NodeRequest,
  NodeResponse,
} from "../../node/wire/session/messages.ts";
import { usdc } from "./candidates.ts";
import { defaultsOf } from "./defaults.ts";
import { clusterAccount, domain, type FakeNode } from "./fake-node.ts";
import { ManualClock } from "./manual-clock.ts";

/** Sessions without a network: what the balancer handles, and nodes that answer it. */
export class FakeHub implements Pick<SessionHub, "nodes" | "call" | "handle" | "onJoined" | "onLeft" | "onHeartbeat"> {
  readonly nodes = new Map<Address, NodePresence>();
  readonly #fakes = new Map<Address, FakeNode>();
  readonly #handlers = new Map<string, (from: Address, body: never) => unknown>();
  readonly #joined = new Set<(presence: NodePresence) => void>();
  readonly #left = new Set<(presence: NodePresence) => void>();
  readonly #heartbeats = new Set<(presence: NodePresence) => void>();
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  join(node: FakeNode, hello = node.hello()): void {
    const presence: NodePresence = {
      node: node.address,
      hello,
      joinedAtMs: this.#clock.nowMs(),
      heartbeat: undefined,
      heartbeatAtMs: undefined,
    };
    this.#fakes.set(node.address, node);
    this.nodes.set(node.address, presence);
    for (const listener of this.#joined) listener(presence);
  }

  /** A heartbeat that tells of this many viewers of each stream that the node delivers. */
  tellViewers(node: FakeNode, viewers: number): void {
    const jobs = node.running().map((job) => (job.primitive === "delivery" ? { ...job, viewers } : job));
    this.#beat(node, { jobs, free: 1 });
  }

  /** A heartbeat of all that the node does, with so much of each primitive free; the balancer hears of it. */
  beat(node: FakeNode, free = 1_000_000_000, jobs = node.running()): void {
    this.#beat(node, { jobs, free });
    for (const listener of this.#heartbeats) listener(this.nodes.get(node.address)!);
  }

  #beat(node: FakeNode, { jobs, free }: { jobs: RunningJob[]; free: number }): void {
    const capacity = { total: free, free };
    const heartbeat = {
      load: 0,
      draining: false,
      capacity: { ingestStreams: capacity, transcodePixelsPerSecond: capacity, deliveryBytesPerSecond: capacity },
      jobs,
      ...(node.rttMs === undefined ? {} : { rttMs: node.rttMs }),
    };
    const presence = this.nodes.get(node.address)!;
    // The same presence, as a session has one: only a greeting makes another.
    Object.assign(presence, { heartbeat, heartbeatAtMs: this.#clock.nowMs() });
  }

  leave(node: FakeNode): void {
    const presence = this.nodes.get(node.address)!;
    this.nodes.delete(node.address);
    for (const listener of this.#left) listener(presence);
  }

  async call<M extends BalancerMethod>(
    node: Address,
    method: M,
    body: BalancerRequest<M>,
  ): Promise<BalancerResponse<M>> {
    if (!this.nodes.has(node)) throw new SessionHubError({ code: "SESSION_NODE_ABSENT", node });
    return (await this.#fakes.get(node)!.answer(method, body as never)) as BalancerResponse<M>;
  }

  /** A call of a node to the balancer; rejects with the public code. */
  async ask<M extends NodeMethod>(from: FakeNode, method: M, body: NodeRequest<M>): Promise<NodeResponse<M>> {
    const handler = this.#handlers.get(method)!;
    return (await handler(from.address, body as never)) as NodeResponse<M>;
  }

  handle(method: string, handler: (from: Address, body: never) => unknown): void {
    this.#handlers.set(method, handler);
  }

  onJoined(listener: (presence: NodePresence) => void): () => void {
    this.#joined.add(listener);
    return () => this.#joined.delete(listener);
  }

  onLeft(listener: (presence: NodePresence) => void): () => void {
    this.#left.add(listener);
    return () => this.#left.delete(listener);
  }

  onHeartbeat(listener: (presence: NodePresence) => void): () => void {
    this.#heartbeats.add(listener);
    return () => this.#heartbeats.delete(listener);
  }
}

/** Books that remember what was written into them. */
export class FakeBooks {
  readonly owed: Work[] = [];
  readonly earnedWork: Work[] = [];
  readonly passedKeys: string[] = [];
  readonly forfeited: string[] = [];
  reserve = 10n ** 12n;

  payer: BalancerComponents["payer"] = {
    openJob: async () => {},
    owe: async (work) => add(this.owed, work),
    passed: async ({ job, attempt, seq }) => {
      this.passedKeys.push(`${job} ${attempt} ${seq}`);
    },
    waiting: async () => [],
    release: async () => {},
    forfeit: async (job, attempt) => {
      this.forfeited.push(`${job} ${attempt}`);
      return 0n;
    },
    refuse: async () => {},
    unpaid: async () => [],
    prepay: async () => undefined,
    settleNow: async () => ({ vouchered: 0n, seq: 0n }),
    status: async () => [],
  };

  payee: BalancerComponents["payee"] = {
    openJob: async () => {},
    resumeJob: async () => {},
    earned: async (work) => add(this.earnedWork, work),
    passed: async () => {},
    waiting: async () => [],
    begun: () => () => {},
    mayWork: () => "ok",
    closeJob: async () => {},
    writeOff: async () => 0n,
    requestVoucher: async () => ({ vouchered: 0n, seq: 0n }),
    requestPrepay: async () => ({ vouchered: 0n, seq: 0n }),
    status: async () => [],
  };
}

type ChainEvent = Parameters<Parameters<BalancerComponents["chain"]["onEvent"]>[0]>[0];

export interface FakeMarket {
  /** An event of the chain is confirmed. */
  readonly confirm: (log: ChainEvent) => void;
  readonly clock: ManualClock;
  readonly hub: FakeHub;
  readonly books: FakeBooks;
  readonly balancer: BalancerService;
  readonly access: ViewerAccess;
  /** What buyers were told. */
  readonly news: NewsItem[];
}

const nobodyToAsk: OwnerAsker = {
  ask: async () => {
    throw new PlaybackError({ code: "PLAYBACK_WEBHOOK_UNREACHABLE" });
  },
};

/** A balancer with everything real but its network, its chain and its books. */
export async function startMarket(
  database: SqlDatabase,
  parts: {
    clock?: ManualClock;
    books?: FakeBooks;
    options?: Partial<BalancerOptions>;
    nodes: readonly FakeNode[];
    jobStore?: JobStore;
    evidence?: Evidence;
  },
): Promise<FakeMarket> {
  const { clock = new ManualClock(), books = new FakeBooks() } = parts;
  const hub = new FakeHub(clock);
  const operators = new Map(
    parts.nodes.map((node) => [node.address, `0x${"0f".repeat(19)}0${node.number}` as Address]),
  );
  const news: NewsItem[] = [];
  const listeners = new Set<(log: ChainEvent) => void>();
  const components = balancerComponents(database, {
    hub,
    books,
    clock,
    operatorOf: (node) => operators.get(node),
    tokens: [usdc],
    tell: (item) => void news.push(item),
    onEvent: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    changes: {
      ...(parts.jobStore === undefined ? {} : { jobStore: parts.jobStore }),
      ...(parts.evidence === undefined ? {} : { evidence: parts.evidence }),
    },
  });
  const options = defaultsOf(balancerOptions, { seedChainLength: 64, ...parts.options });
  const balancer = new BalancerService(components, options);
  await balancer.start();
  const confirm = (log: ChainEvent) => {
    for (const listener of listeners) listener(log);
  };
  return { confirm, clock, hub, books, balancer, access: components.access, news };
}

/** What a balancer needs: a real database, the given hub and clock, and a chain and books that say yes. */
export function balancerComponents(
  database: SqlDatabase,
  parts: {
    readonly hub: BalancerComponents["hub"];
    readonly books: FakeBooks;
    readonly clock: Clock;
    readonly operatorOf: (node: Address) => Address | undefined;
    readonly tokens: readonly Address[];
    readonly tell?: (item: NewsItem) => void;
    readonly onEvent?: BalancerComponents["chain"]["onEvent"];
    readonly changes?: Partial<BalancerComponents>;
  },
): BalancerComponents {
  const { hub, books, clock, operatorOf, tokens } = parts;
  return {
    hub,
    chain: {
      operatorOf,
      operator: (operator) => ({ operator, stake: 1000n * 10n ** 18n, thawing: 0n, nodes: new Map() }),
      cluster: () => undefined,
      channelState: async () => ({
        collected: 0n,
        reserve: books.reserve,
        thawing: 0n,
        collectTransaction: undefined,
      }),
      decimalsOf: async () => 6,
      allotment: async () => undefined,
      onEvent: parts.onEvent ?? (() => () => {}),
    },
    payer: books.payer,
    payee: books.payee,
    audienceStore: new AudienceStore(database),
    streamStore: new StreamStore(database),
    jobStore: new JobStore(database),
    selectionStore: new SelectionStore(database),
    evidence: { keep: async () => false, isGuilty: () => false },
    access: new PolicyAccess({ owners: nobodyToAsk, clock, metrics: silentMetrics }),
    judgeOwner: (url) => new WebhookAsker({ clock, logger: silentLogger }, defaultsOf(accessOptions)).judge(url),
    news: { tell: async (item) => parts.tell?.(item) },
    statements: nativeStatements,
    signer: nativeStatements.createSigner(new Uint8Array(32).fill(200)),
    domain,
    cluster: 1n,
    clusterAccount,
    tokens,
    tokenNames: new Map([[usdc, "USDC"]]),
    clock,
    logger: silentLogger,
    metrics: silentMetrics,
    ...parts.changes,
  };
}

export const codeOf = (code: string) => (error: unknown) =>
  error instanceof PublicError ? error.code === code : (error as { code?: unknown }).code === code;

export const randomHash = (byte: number): Hex => bytesToHex(new Uint8Array(32).fill(byte));

function add(list: Work[], work: Work): boolean {
  const isKnown = list.some((other) => other.receiptHash === work.receiptHash);
  if (!isKnown) list.push(work);
  return !isKnown;
}
