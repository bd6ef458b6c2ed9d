import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PublicClient } from "viem";
import { connectChain, createWallet } from "../../node/chain/clients.ts";
import { RegistryView } from "../../node/chain/registry-view.ts";
import { ChainSender, defaultSenderOptions } from "../../node/chain/sender.ts";
import { systemClock } from "../../node/kernel/clock.ts";
import type { NodeKey } from "../../node/kernel/keys.ts";
import { LevelCheckpointStore } from "../../node/store/checkpoints.ts";
import { Database } from "../../node/store/database.ts";
import { LevelVoucherStore } from "../../node/store/vouchers.ts";
import { silentLogger } from "../../sdk/base/logger.ts";
import { silentMetrics } from "../../sdk/base/metrics.ts";
import { deposit, reserve } from "../../sdk/client/actions/account.ts";
import { createCluster } from "../../sdk/client/actions/cluster.ts";
import { joinOperator } from "../../sdk/client/actions/operator.ts";
import { type Channel, hubChannel } from "../../sdk/protocol/channel.ts";
import { createDomain, type Domain } from "../../sdk/protocol/eip712.ts";
import { type Address, bytesToHex, type Hex } from "../../sdk/protocol/hex.ts";
import { type AnvilChain, openAnvil } from "./anvil-chain.ts";

/** A cluster with its balancer, one operator with one node, a buyer, and money in every place, on a real chain. */
export interface MoneyMarket {
  readonly anvil: AnvilChain;
  readonly publicClient: PublicClient;
  readonly domain: Domain;
  readonly view: RegistryView;
  readonly balancer: NodeKey;
  readonly node: NodeKey;
  readonly buyer: NodeKey;
  readonly cluster: bigint;
  readonly account: Address;
  /** Cluster's account to node. */
  wholesale(token: Address): Channel;
  /** Buyer to cluster's account. */
  retail(token: Address): Channel;
  sender(key: NodeKey): Promise<ChainSender>;
  openStore(name: string): Promise<{ database: Database; vouchers: LevelVoucherStore }>;
  close(): Promise<void>;
}

export const CONFIRMED_DEPTH = 2;

export async function openMarket(deposits: { readonly USDC: bigint; readonly LPT: bigint }): Promise<MoneyMarket> {
  const anvil = await openAnvil({ thawSeconds: 3_600n });
  const folder = await mkdtemp(join(tmpdir(), "leat-money-"));
  const databases: Database[] = [];
  const senders: ChainSender[] = [];
  let view: RegistryView | undefined;
  const close = async () => {
    for (const sender of senders) await sender.stop();
    await view?.stop();
    for (const database of databases) await database.close();
    await anvil.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { deployment } = anvil;
    const [owner, balancer, operator, node, buyer] = await Promise.all([1, 2, 3, 4, 5].map((at) => anvil.key(at)));
    const ownerClient = anvil.client(owner!);
    const made = await createCluster(ownerClient, { terms: "", balancers: [balancer!.signer] });
    await anvil.mint(deployment.tokens.LPT, operator!.address, 200n * 10n ** 18n);
    await joinOperator(anvil.client(operator!), {
      stake: 150n * 10n ** 18n,
      node: node!.signer,
      endpoint: "http://127.0.0.1/offer",
      cluster: made.cluster,
      maximumSharePpm: 0,
    });
    for (const [name, amount] of Object.entries(deposits)) {
      const token = deployment.tokens[name as "USDC" | "LPT"];
      await anvil.mint(token, owner!.address, amount);
      await anvil.mint(token, buyer!.address, amount);
      await deposit(ownerClient, { token, amount, account: made.account });
      await reserve(anvil.client(balancer!), { payee: node!.address, token, amount, asCluster: made.cluster });
      await deposit(anvil.client(buyer!), { token, amount });
      await reserve(anvil.client(buyer!), { payee: made.account, token, amount });
    }
    await anvil.mine(CONFIRMED_DEPTH);
    anvil.keepMining();
    const options = { rpcUrls: [anvil.rpcUrl], confirmedDepth: CONFIRMED_DEPTH, pollMs: 50, callTimeoutMs: 5_000 };
    const clients = await connectChain(options, deployment.chainId);
    const { publicClient } = clients;
    const quiet = { clock: systemClock, logger: silentLogger, metrics: silentMetrics };
    const opened = new RegistryView({ publicClient, deployment, ...quiet }, options);
    view = opened;
    await opened.start();
    return {
      anvil,
      publicClient,
      domain: createDomain(deployment.chainId, deployment.escrow),
      view: opened,
      balancer: balancer!,
      node: node!,
      buyer: buyer!,
      cluster: made.cluster,
      account: made.account,
      wholesale: (token) => hubChannel(made.account, node!.address, token),
      retail: (token) => hubChannel(buyer!.address, made.account, token),
      async sender(key) {
        const wallet = createWallet(clients, key.secret);
        const database = await Database.open(join(folder, `sender-${databases.length}`));
        databases.push(database);
        const facts = new LevelCheckpointStore(database);
        const made = new ChainSender(
          { publicClient, wallet, facts, ...quiet },
          { ...defaultSenderOptions, confirmedDepth: CONFIRMED_DEPTH, lookEveryMs: 50 },
        );
        senders.push(made);
        return made;
      },
      async openStore(name) {
        const database = await Database.open(join(folder, name));
        databases.push(database);
        return { database, vouchers: new LevelVoucherStore(database) };
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

export const randomHash = (): Hex => bytesToHex(randomBytes(32));
