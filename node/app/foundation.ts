import { join } from "node:path";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Deployment } from "@leat/sdk/protocol/deployment.ts";
import { createDomain, type Domain } from "@leat/sdk/protocol/eip712.ts";
import type { FastifyInstance } from "fastify";
import { type ChainClients, connectChain, createWallet } from "../chain/clients.ts";
import { gasLimits } from "../chain/fees.ts";
import { gasOf } from "../chain/gas.ts";
import { RegistryView } from "../chain/registry-view.ts";
import { ChainSender, defaultSenderOptions } from "../chain/sender.ts";
import type { NodeConfig } from "../config/sections.ts";
import { listenerUrl } from "../http/options.ts";
import { addHealth, type ReadinessCheck } from "../http/plugins/health.ts";
import { addMetrics } from "../http/plugins/metrics.ts";
import { createServer } from "../http/server.ts";
import { type Clock, systemClock } from "../kernel/clock.ts";
import { loadKeyFile, type NodeKey } from "../kernel/keys.ts";
import type { NamedPart } from "../kernel/lifecycle.ts";
import { createLogger } from "../kernel/logger.ts";
import { createMetrics, type Metrics } from "../kernel/metrics.ts";
import type { PlaybackCode } from "../media-io/access/errors.ts";
import type { JudgeOwner } from "../media-io/access/policy.ts";
import { RefusalBook } from "../media-io/access/refusals.ts";
import { PolicyAccess, type ViewerAccess } from "../media-io/access/viewer-access.ts";
import { WebhookAsker } from "../media-io/access/webhook.ts";
import { TokenValues } from "../services/settlement/token-values.ts";
import { LevelCheckpointStore } from "../store/checkpoints.ts";
import { Database } from "../store/database.ts";
import { HostService } from "../wire/host.ts";
import { readDeployment } from "./deployment.ts";
import { AppError } from "./errors.ts";
import { readPriceLists } from "./price-lists.ts";

/** What every node has, whatever its roles. */
export interface Foundation {
  readonly config: NodeConfig;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly key: NodeKey;
  readonly deployment: Deployment;
  readonly domain: Domain;
  readonly host: HostService;
  readonly database: Database;
  readonly chain: ChainClients;
  readonly registry: RegistryView;
  readonly sender: ChainSender;
  readonly http: FastifyInstance;
  /** Who may watch, for a node that tells viewers where a stream plays, or plays it. */
  readonly access: ViewerAccess;
  /** Whether owners of streams can be asked at an address. */
  readonly judgeOwner: JudgeOwner;
  /** Whom it turned away. */
  readonly refusals: RefusalBook;
  /** Conditions of `/readyz`; roles add theirs. */
  readonly readiness: ReadinessCheck[];
  /** Where others reach this node. */
  readonly httpUrl: string;
  /** What starts and stops, in order; roles add theirs. */
  readonly parts: NamedPart[];
}

export async function lay(config: NodeConfig): Promise<Foundation> {
  const logger = createLogger(config.log);
  const metrics = createMetrics();
  const clock = systemClock;
  const key = await loadKeyFile(config.node.keyFile);
  const deployment = readDeployment(config);
  if (config.chain.rpcUrls.length === 0) {
    throw new AppError(
      { code: "APP_RPC_MISSING", network: config.node.networkFile },
      { message: "no endpoint of the chain is known; set --chain.rpcUrls" },
    );
  }
  const domain = createDomain(deployment.chainId, deployment.escrow);
  const chain = await connectChain(config.chain, deployment.chainId, { clock, logger, metrics }, config.rpc);
  const wallet = createWallet(chain, key.secret);
  const host = new HostService({ key, logger, metrics, clock }, config.wire);
  const database = await Database.open(join(config.node.dataDir, "store"));
  const facts = new LevelCheckpointStore(database);
  const registry = new RegistryView(
    { publicClient: chain.publicClient, deployment, facts, clock, logger, metrics },
    config.chain,
  );
  const sender = new ChainSender(
    { publicClient: chain.publicClient, wallet, dataFee: chain.dataFee, facts, clock, logger, metrics },
    {
      ...defaultSenderOptions,
      lookEveryMs: config.chain.pollMs,
      confirmedDepth: config.chain.confirmedDepth,
      limits: gasLimits(config.gas),
    },
  );
  const http = await createServer(config.http, { logger, metrics });
  const refusals = new RefusalBook();
  const onRefused = (stream: string, code: PlaybackCode) => refusals.note(stream, code);
  const owners = new WebhookAsker({ clock, logger }, config.access);
  const readiness: ReadinessCheck[] = [{ name: "store", check: () => database.findFault() }];
  addHealth(http, readiness);
  addMetrics(http, metrics);
  return {
    config,
    logger,
    metrics,
    clock,
    key,
    deployment,
    domain,
    host,
    database,
    chain,
    registry,
    sender,
    http,
    access: new PolicyAccess({ owners, clock, metrics, onRefused }),
    judgeOwner: (url) => owners.judge(url),
    refusals,
    readiness,
    httpUrl: config.node.httpUrl || listenerUrl(config.http),
    parts: [
      { name: "metrics", part: { start: async () => {}, stop: async () => metrics.close() } },
      { name: "store", part: { start: async () => {}, stop: () => database.close() } },
      { name: "registry", part: registry },
      { name: "sender", part: sender },
      { name: "host", part: host },
    ],
  };
}

/** What every settlement has of its node. @throws TOKEN_COST_… where the settings do not say what gas costs */
export async function settlementParts({ config, deployment, chain, registry, sender, readiness }: Foundation) {
  const { tokens: named } = deployment;
  const tokens = await TokenValues.read({
    costs: config.settlement.tokenCosts,
    tokens: named,
    sold: readPriceLists(config.sales.prices, named).keys(),
    decimalsOf: (token) => registry.decimalsOf(token),
  });
  // Who settles has to pay for it; a node with two roles says so once.
  if (!readiness.some(({ name }) => name === "gas")) readiness.push({ name: "gas", check: () => sender.gasFault() });
  return { chain: registry, sender, deployment, gas: gasOf(chain.publicClient, chain.dataFee), tokens };
}
