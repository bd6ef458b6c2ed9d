import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import { createDomain, hashStatement } from "@leat/sdk/protocol/eip712.ts";
import { type Address, bytesToHex, type Hex, zeroHash } from "@leat/sdk/protocol/hex.ts";
import { hashPrices, type JobTerms, type Prices, type RunningJob } from "@leat/sdk/protocol/job.ts";
import { hashPartLeaf, merkleRoot, type PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import {
  checkResultStructure,
  type Quote,
  quoteStructure,
  type Receipt,
  receiptStructure,
} from "@leat/sdk/protocol/signed.ts";
import type { Clock } from "../../node/kernel/clock.ts";
import { nativeStatements } from "../../node/kernel/secp.ts";
import { PlaybackError } from "../../node/media-io/access/errors.ts";
import { type OwnerAsker, PolicyAccess, type ViewerAccess } from "../../node/media-io/access/viewer-access.ts";
import { BalancerService } from "../../node/services/balancer/balancer-service.ts";
import { type BalancerOptions, balancerOptions } from "../../node/services/balancer/options.ts";
import type { BalancerComponents } from "../../node/services/balancer/ports.ts";
import type { Evidence } from "../../node/services/faults/evidence-service.ts";
import type { Work } from "../../node/services/payment/index.ts";
import { type NodePresence, type SessionHub, SessionHubError } from "../../node/services/session/hub.ts";
import type { NewsItem } from "../../node/services/webhooks/webhook-service.ts";
import type { SqlDatabase } from "../../node/store/sql/database.ts";
import { JobStore } from "../../node/store/sql/job-store.ts";
import { SelectionStore } from "../../node/store/sql/selection-store.ts";
import { StreamStore } from "../../node/store/sql/stream-store.ts";
import { PublicError, RemoteError } from "../../node/wire/errors.ts";
import type {
  BalancerMethod,
  BalancerRequest,
  BalancerResponse,
  NodeMethod,
  NodeRequest,
  NodeResponse,
} from "../../node/wire/session/messages.ts";
import type { Hello } from "../../node/wire/session/presence.ts";
import { usdc } from "./candidates.ts";
import { defaultsOf } from "./defaults.ts";
import { ManualClock } from "./manual-clock.ts";

export const domain = createDomain(31337, `0x${"e5".repeat(20)}`);
export const clusterAccount: Address = `0x${"c1".repeat(20)}`;
const prices: Prices = {
  ingestMs: 10n ** 22n,
  pixelH264: 2n * 10n ** 18n,
  pixelVp9: 4n * 10n ** 18n,
  deliveredByte: 5n * 10n ** 18n,
};

/** A node that grants, quotes and takes jobs as a real one does, and remembers what it was told. */
export class FakeNode {
  readonly signer;
  readonly calls: { method: string; body: unknown }[] = [];
  readonly jobs = new Map<Hex, JobTerms>();
  /** Answers a call with this code instead. */
  refusals = new Map<string, string>();
  position: number | null = null;
  /** Results of checks that it has not delivered. */
  checksWaiting = 0;
  /** Until when its offer and its quotes stand, seconds since 1970 by its own clock. */
  offerUntil = 10n ** 12n;
  quoteUntil = 10n ** 12n;

  whipUrl: string;
  readonly number: number;
  readonly roles: Hello["roles"];

  constructor(number: number, roles: Hello["roles"]) {
    this.number = number;
    this.whipUrl = `http://127.0.0.1:${9000 + number}/whip`;
    this.roles = roles;
    this.signer = nativeStatements.createSigner(new Uint8Array(32).fill(number));
  }

  get address(): Address {
    return this.signer.address;
  }

  told(method: string): unknown[] {
    return this.calls.filter((call) => call.method === method).map((call) => call.body);
  }

  hello(jobs: readonly RunningJob[] = this.running()): Hello {
    const isBuyer = this.roles.includes("buyer");
    const base = `http://127.0.0.1:${9000 + this.number}`;
    return {
      version: 1,
      node: this.address,
      roles: this.roles,
      multiaddrs: [`/ip4/127.0.0.1/tcp/${9000 + this.number}`],
      httpUrl: base,
      rtmpUrl: `rtmp://127.0.0.1:${9000 + this.number}/live`,
      ...(this.roles.includes("ingest") ? { whipUrl: this.whipUrl, pushUrl: `${base}/live` } : {}),
      srtUrl: `srt://127.0.0.1:${9000 + this.number}`,
      srtSecret: `0x${`${this.number}`.padStart(64, "0")}`,
      ...(this.roles.includes("ingest") ? { pulls: ["http", "https"] } : {}),
      region: "local",
      ...(isBuyer
        ? {}
        : {
            offer: {
              node: this.address,
              body: {
                cluster: 1n,
                region: "local",
                primitives: this.roles.map((role) => ({
                  primitive: role as "ingest",
                  capacity: role === "ingest" ? 10 : 1_000_000_000,
                })),
                codecs: [
                  { codec: "h264" as const, pixelsPerSecond: 1_000_000_000 },
                  { codec: "vp9" as const, pixelsPerSecond: 1_000_000_000 },
                ],
                prices: [{ token: usdc, prices }],
                multiaddrs: [],
                sequence: 1n,
                validUntil: this.offerUntil,
              },
              signature: `0x${"00".repeat(65)}` as Hex,
            },
          }),
      jobs,
    };
  }

  running(): RunningJob[] {
    return [...this.jobs.values()].map(({ assignment, spec }) => ({
      job: assignment.value.job,
      attempt: assignment.value.attempt,
      primitive: spec.primitive,
      stream: spec.stream,
      sequence: null,
    }));
  }

  async answer(method: BalancerMethod, body: never): Promise<unknown> {
    this.calls.push({ method, body });
    const refusal = this.refusals.get(method);
    if (refusal !== undefined) throw new RemoteError({ code: refusal, method });
    switch (method) {
      case "job.reserve":
        return { granted: true, expiresAt: 0 };
      case "quote.request":
        return this.#quote(body as BalancerRequest<"quote.request">);
      case "job.assign": {
        const terms = body as JobTerms;
        this.jobs.set(terms.assignment.value.job, terms);
        return { accepted: true };
      }
      case "job.end":
        this.jobs.delete((body as BalancerRequest<"job.end">).job);
        return {};
      case "pull.begin":
        return { code: null };
      case "stream.position":
        return { sequence: this.position };
      case "check.close":
        return { waiting: this.checksWaiting };
      default:
        return {};
    }
  }

  /** A signed receipt of one segment with one part, of so many bytes for each rung. */
  async receipt(
    terms: JobTerms,
    seq: number,
    changes: Partial<Receipt> = {},
    partBytes = 1_000n,
  ): Promise<NodeRequest<"receipt.submit">> {
    const { spec, assignment } = terms;
    const rung = spec.primitive === "transcode" ? spec.rungs[0]! : { rung: 0, width: 0, height: 0 };
    const frames = spec.primitive === "delivery" ? 0 : 60;
    const leaves: PartLeaf[] = (spec.primitive === "transcode" ? spec.rungs : [rung]).map((each) => ({
      rung: each.rung,
      part: 0,
      frames,
      pixels: spec.primitive === "transcode" ? BigInt(each.width * each.height * frames) : 0n,
      sizeBytes: partBytes,
      sha256: `0x${"ab".repeat(32)}`,
    }));
    const value: Receipt = {
      job: assignment.value.job,
      seq: BigInt(seq),
      attempt: assignment.value.attempt,
      quoteHash: assignment.value.quoteHash,
      inputHash: zeroHash,
      outputRoot: merkleRoot(leaves.map(hashPartLeaf)),
      firstFrame: 0n,
      frames,
      durationMs: 2_000,
      sizeBytes: BigInt(leaves.length) * partBytes,
      ...changes,
    };
    const signature = await this.signer.sign(receiptStructure, domain, value);
    return { receipt: { value, signature }, leaves, kind: spec.primitive as "ingest" };
  }

  async check(receipt: Receipt, verdict: number, check = 1): Promise<NodeRequest<"check.submit">> {
    const value = {
      job: receipt.job,
      seq: receipt.seq,
      attempt: receipt.attempt,
      receiptHash: hashStatement(receiptStructure, domain, receipt),
      check,
      verdict,
      checkedAt: 1n,
    };
    return { check: { value, signature: await this.signer.sign(checkResultStructure, domain, value) } };
  }

  async #quote(request: BalancerRequest<"quote.request">): Promise<BalancerResponse<"quote.request">> {
    const value: Quote = {
      node: this.address,
      payer: request.payer,
      token: request.token,
      specHash: request.specHash,
      pricesHash: hashPrices(prices),
      maxUnits: request.maxUnits,
      validUntil: this.quoteUntil,
      nonce: 1n,
    };
    return { quote: { value, signature: await this.signer.sign(quoteStructure, domain, value) }, prices };
  }
}

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
    begun: () => {},
    mayWork: () => "ok",
    closeJob: async () => {},
    writeOff: async () => 0n,
    requestVoucher: async () => ({ vouchered: 0n, seq: 0n }),
    requestPrepay: async () => ({ vouchered: 0n, seq: 0n }),
    status: async () => [],
  };
}

export interface FakeMarket {
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
  const components = balancerComponents(database, {
    hub,
    books,
    clock,
    operatorOf: (node) => operators.get(node),
    tokens: [usdc],
    tell: (item) => void news.push(item),
    changes: {
      ...(parts.jobStore === undefined ? {} : { jobStore: parts.jobStore }),
      ...(parts.evidence === undefined ? {} : { evidence: parts.evidence }),
    },
  });
  const options = defaultsOf(balancerOptions, { seedChainLength: 64, ...parts.options });
  const balancer = new BalancerService(components, options);
  await balancer.start();
  return { clock, hub, books, balancer, access: components.access, news };
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
    },
    payer: books.payer,
    payee: books.payee,
    streamStore: new StreamStore(database),
    jobStore: new JobStore(database),
    selectionStore: new SelectionStore(database),
    evidence: { keep: async () => false, isGuilty: () => false },
    access: new PolicyAccess({ owners: nobodyToAsk, clock, metrics: silentMetrics }),
    news: { tell: async (item) => parts.tell?.(item) },
    statements: nativeStatements,
    signer: nativeStatements.createSigner(new Uint8Array(32).fill(200)),
    domain,
    cluster: 1n,
    clusterAccount,
    tokens,
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
