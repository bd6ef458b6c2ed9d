import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { silentMetrics } from "@leat/sdk/base/metrics.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { signOffer } from "@leat/sdk/protocol/offer-body.ts";
import type { FilterCounts } from "@leat/sdk/selection/filters.ts";
import { bodyFromText } from "@leat/sdk/selection/receipt.ts";
import { eq } from "drizzle-orm";
import { JobSessionAdapter } from "../../node/app/job-session.ts";
import { systemClock } from "../../node/kernel/clock.ts";
import { createNodeKey } from "../../node/kernel/keys.ts";
import { nativeStatements } from "../../node/kernel/secp.ts";
import { BalancerService } from "../../node/services/balancer/balancer-service.ts";
import { type BalancerOptions, balancerOptions } from "../../node/services/balancer/options.ts";
import type { JobSession } from "../../node/services/jobs/ports.ts";
import { SessionClientService } from "../../node/services/session/client.ts";
import { SessionHubService } from "../../node/services/session/hub.ts";
import type { SqlDatabase } from "../../node/store/sql/database.ts";
import { selections } from "../../node/store/sql/schema.ts";
import { HostService } from "../../node/wire/host.ts";
import type { Hello } from "../../node/wire/session/presence.ts";
import { defaultsOf } from "./defaults.ts";
import { openEmptyDatabase } from "./empty-database.ts";
import { balancerComponents, FakeBooks } from "./fake-market.ts";
import { MediaNode, type NodeFaults, testDomain, testPrices, testToken } from "./media-network.ts";
import { loopback } from "./wire-hosts.ts";

type Roles = Exclude<Hello["roles"][number], "buyer">[];

interface Member {
  readonly client: SessionClientService;
  roles: Roles;
  /** While it is stalled it says nothing and answers nothing. */
  held: PromiseWithResolvers<void> | undefined;
}

/** A balancer and nodes with real sessions, services and codecs in one process; chain and books say yes to everything. */
export class LiveCluster {
  readonly host: HostService;
  readonly hub: SessionHubService;
  readonly balancer: BalancerService;
  readonly #folder: string;
  readonly #database: SqlDatabase;
  readonly #nodes = new Map<MediaNode, Member>();

  private constructor(folder: string, database: SqlDatabase, settings: Partial<BalancerOptions>) {
    this.#folder = folder;
    this.#database = database;
    const shared = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };
    this.host = new HostService({ key: createNodeKey(new Uint8Array(32).fill(200)), ...shared }, loopback);
    this.hub = new SessionHubService(
      {
        host: this.host,
        statements: nativeStatements,
        domain: testDomain,
        cluster: 1n,
        admit: () => {},
        delegates: { standingOf: async () => "none" },
        welcome: () => this.balancer.welcome(),
        markTable: (node) => this.balancer.markTable(node),
        ...shared,
      },
      { heartbeatMs: 100, missedHeartbeats: 10, maxSessions: 10 },
    );
    const parts = {
      hub: this.hub,
      books: new FakeBooks(),
      clock: systemClock,
      operatorOf: (node: MediaNode["address"]) => node,
      tokens: [testToken],
    };
    // Nothing is tried again by the clock alone: what a test sees was brought about by what happened.
    const options = {
      placeRetryMs: 3_600_000,
      sessionGraceMs: 100,
      leaseRenewMs: 100,
      seedChainLength: 64,
      ...settings,
    };
    this.balancer = new BalancerService(balancerComponents(database, parts), defaultsOf(balancerOptions, options));
  }

  static async start(settings: Partial<BalancerOptions> = {}): Promise<LiveCluster> {
    const folder = await mkdtemp(join(tmpdir(), "leat-cluster-"));
    const cluster = new LiveCluster(folder, await openEmptyDatabase(folder), settings);
    await cluster.balancer.start();
    await cluster.host.start();
    await cluster.hub.start();
    return cluster;
  }

  /** A node that is in session when this resolves. */
  async join(roles: Roles, faults: NodeFaults = {}): Promise<MediaNode> {
    const node = new MediaNode(this, faults);
    const member = this.#nodes.get(node)!;
    member.roles = roles;
    await node.start();
    const joined = this.joined(node);
    await member.client.start();
    await joined;
    return node;
  }

  joined(node: MediaNode): Promise<void> {
    return heard(this.hub.onJoined.bind(this.hub), node);
  }

  left(node: MediaNode): Promise<void> {
    return heard(this.hub.onLeft.bind(this.hub), node);
  }

  /** The next heartbeat of any node. */
  beat(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.hub.onHeartbeat(() => {
        stop();
        resolve();
      });
    });
  }

  /** As a machine without a moment for it: the node says and answers nothing, and its encoders stand still. */
  stall(node: MediaNode): void {
    this.#nodes.get(node)!.held = Promise.withResolvers();
    for (const { pid } of node.workers) if (pid !== undefined) signalIfThere(pid, "SIGSTOP");
  }

  goOn(node: MediaNode): void {
    const member = this.#nodes.get(node)!;
    member.held?.resolve();
    member.held = undefined;
    for (const { pid } of node.workers) if (pid !== undefined) signalIfThere(pid, "SIGCONT");
  }

  /** What was decided of a job, oldest first: who won, and how many nodes stopped at which filter. */
  async decisions(job: Hex): Promise<{ readonly winner: Address | undefined; readonly filters: FilterCounts }[]> {
    const rows = await this.#database.sql.select().from(selections).where(eq(selections.job, job));
    const bodies = rows.toSorted((left, right) => left.decidedAtMs - right.decidedAtMs).map(({ body }) => body);
    return bodies.map((body) => {
      const { drawn, filterCounts } = bodyFromText(body);
      return { winner: drawn[0]?.node, filters: filterCounts };
    });
  }

  /** For the nodes themselves. */
  connect(node: MediaNode): JobSession {
    const held = () => member.held?.promise;
    const client = new SessionClientService(
      {
        host: node.host,
        collectHello: async () => {
          await held();
          return this.#hello(node, member.roles);
        },
        collectHeartbeat: async () => {
          await held();
          return { load: 0, draining: false, capacity: node.desk.capacity(), jobs: node.desk.runningJobs() };
        },
        clock: systemClock,
        logger: silentLogger,
        metrics: silentMetrics,
      },
      {
        balancers: [{ address: this.host.address, multiaddrs: this.host.multiaddrs() }],
        reconnectMinMs: 20,
        reconnectMaxMs: 100,
      },
    );
    const member: Member = { client, roles: [], held: undefined };
    this.#nodes.set(node, member);
    const session = new JobSessionAdapter(client);
    return {
      get welcome() {
        return session.welcome;
      },
      call: async (method, body) => {
        await held();
        return session.call(method, body);
      },
      handle: (method, handler) =>
        session.handle(method, async (body) => {
          await held();
          return handler(body);
        }),
    };
  }

  async stop(): Promise<void> {
    for (const [node, { client }] of this.#nodes) {
      this.goOn(node);
      await node.stopServices();
      await client.stop();
      await node.stop();
    }
    await this.balancer.stop();
    await this.hub.stop();
    await this.host.stop();
    await this.#database.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #hello(node: MediaNode, roles: Roles) {
    const capacity = node.desk.capacity();
    const total = {
      ingest: capacity.ingestStreams.total,
      transcode: capacity.transcodePixelsPerSecond.total,
      delivery: capacity.deliveryBytesPerSecond.total,
      storage: 0,
    };
    const body = {
      cluster: 1n,
      region: "local",
      primitives: roles.map((primitive) => ({ primitive, capacity: total[primitive as "ingest"] })),
      codecs: roles.includes("transcode") ? [{ codec: "h264" as const, pixelsPerSecond: 60_000_000 }] : [],
      prices: [{ token: testToken, prices: testPrices }],
      multiaddrs: node.host.multiaddrs(),
      sequence: 1n,
      validUntil: BigInt(Math.floor(Date.now() / 1_000) + 3_600),
    };
    const offer = await signOffer(node.key.signer, testDomain, body);
    const httpUrl = "http://127.0.0.1:1";
    return {
      roles,
      region: "local",
      httpUrl,
      rtmpUrl: "rtmp://127.0.0.1:1/live",
      offer,
      jobs: node.desk.runningJobs(),
    };
  }
}

/** Who pays for streams: never in session. */
export const absentBuyer = createNodeKey(randomBytes(32)).address;

function heard(
  listen: (listener: (presence: { node: MediaNode["address"] }) => void) => () => void,
  node: MediaNode,
): Promise<void> {
  return new Promise((resolve) => {
    const stop = listen((presence) => {
      if (presence.node !== node.address) return;
      stop();
      resolve();
    });
  });
}

function signalIfThere(pid: number, signal: "SIGSTOP" | "SIGCONT"): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
