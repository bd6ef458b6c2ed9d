import { existsSync } from "node:fs";
import { join } from "node:path";
import type { NodeKey } from "@leat/node/kernel/keys.ts";
import { deposit, reserve } from "@leat/sdk/client/actions/account.ts";
import { createCluster } from "@leat/sdk/client/actions/cluster.ts";
import { joinOperator } from "@leat/sdk/client/actions/operator.ts";
import { allotSigner, proveSigner } from "@leat/sdk/client/actions/signers.ts";
import { createClient, type LeatClient } from "@leat/sdk/client/create-client.ts";
import { addressOf, write } from "@leat/sdk/client/transaction.ts";
import type { Tokens } from "@leat/sdk/protocol/deployment.ts";
import type { Address } from "@leat/sdk/protocol/hex.ts";
import { bytesToHex, toAddress } from "@leat/sdk/protocol/hex.ts";
import { parseNetwork, requireDeployed } from "@leat/sdk/protocol/network.ts";
import { parseAbi } from "viem";
import { type Account, privateKeyToAccount } from "viem/accounts";
import { type DevelopmentDeployment, deployContracts } from "../deployment/contracts.ts";
import { type Chain, fundGas } from "./chain.ts";
import { NetworkError } from "./options.ts";
import { privateKeyOf, readJson, type WalletName, walletOf, writeJson } from "./wallets.ts";

/** What stands on the chain of a local network. */
export interface Economy {
  readonly deployment: DevelopmentDeployment;
  readonly networkFile: string;
  readonly cluster: bigint;
  readonly clusterAccount: Address;
}

/** Most that an allotted key may sign, base units by token. */
export type Caps = Readonly<Record<"USDC" | "LPT", bigint>>;

export interface Participants {
  readonly balancer: NodeKey;
  /** The buyer's agent. Its key is the buyer's account too, unless it is allotted channels. */
  readonly buyer: NodeKey;
  readonly caps?: Caps;
  readonly operators: readonly { readonly wallet: WalletName; readonly node: NodeKey; readonly endpoint: string }[];
}

const ether = 10n ** 18n;
const stakeLpt = 1_000n * ether;
/** Development amounts in whole tokens: far more than a demo spends, little enough to read. */
const buyerDeposit = 100n;
const buyerReserve = 50n;
const clusterDeposit = 100n;
const memberReserve = 20n;
const allotSeconds = 86_400n;

const mintAbi = parseAbi(["function mint(address to, uint256 amount)"]);

/** Deploys the contracts, unless that was done before in the same data folder. @returns The network's file. */
export async function deployLocally(chain: Chain, dataDir: string): Promise<string> {
  const networkFile = join(dataDir, "network.json");
  if (existsSync(networkFile)) return networkFile;
  const deployment = await deployContracts({
    rpcUrl: chain.rpcUrl,
    deployerKey: privateKeyOf(walletOf("deployer")),
  });
  await writeJson(networkFile, {
    name: "local",
    chainId: chain.chainId,
    rpcUrls: [chain.rpcUrl],
    confirmedDepth: 2,
    deployment,
  });
  return networkFile;
}

/** The chain of a network file that somebody else wrote. */
export async function readChain(networkFile: string): Promise<Chain> {
  const { chainId, rpcUrls, name } = parseNetwork(await readJson(networkFile), networkFile);
  if (rpcUrls[0] === undefined) throw new NetworkError({ code: "UP_RPC_MISSING", network: name });
  return { chainId, rpcUrl: rpcUrls[0] };
}

/**
 * Gives out development tokens, lets three operators stake and join, and funds the cluster and the buyer in both tokens.
 * What was done before, in the same data folder, is left as it is.
 */
export async function setUpEconomy(
  chain: Chain,
  dataDir: string,
  networkFile: string,
  participants: Participants,
): Promise<Economy> {
  const economyFile = join(dataDir, "economy.json");
  const deployment = requireDeployed(parseNetwork(await readJson(networkFile), networkFile))
    .deployment as DevelopmentDeployment;
  if (existsSync(economyFile)) {
    const saved = (await readJson(economyFile)) as { cluster: string; clusterAccount: Address };
    return { deployment, networkFile, cluster: BigInt(saved.cluster), clusterAccount: saved.clusterAccount };
  }
  const clientOf = (account: Account): LeatClient =>
    createClient({ rpcUrl: chain.rpcUrl, deployment, account, pollMs: 50 });

  const { balancer, buyer: agent, operators, caps } = participants;
  const nodes = [balancer, agent, ...operators.map(({ node }) => node)];
  await Promise.all(nodes.map(({ address }) => fundGas(chain, address, 100n * ether)));
  const owner = clientOf(walletOf("clusterOwner"));
  const buyer = clientOf(caps === undefined ? privateKeyToAccount(bytesToHex(agent.secret)) : walletOf("coldBuyer"));
  await mintAll(clientOf(walletOf("deployer")), deployment.tokens, [
    ...participants.operators.map(
      ({ wallet }) => ({ to: walletOf(wallet).address, token: "LPT", whole: 10_000n }) as const,
    ),
    ...[owner, buyer].flatMap((client) => [
      { to: addressOf(client), token: "LPT", whole: 1_000n } as const,
      { to: addressOf(client), token: "USDC", whole: 1_000n } as const,
    ]),
  ]);
  const { cluster, account: clusterAccount } = await createCluster(owner, {
    terms: "https://example.org/terms",
    balancers: [participants.balancer.signer],
  });
  await Promise.all([
    ...participants.operators.map(({ wallet, node, endpoint }) =>
      joinOperator(clientOf(walletOf(wallet)), {
        stake: stakeLpt,
        node: node.signer,
        endpoint,
        cluster,
        maximumSharePpm: 0,
        pushPayouts: true,
      }),
    ),
    fundCluster(owner, deployment.tokens, cluster, clusterAccount, participants),
    fundBuyer(buyer, deployment.tokens, clusterAccount),
  ]);
  if (caps !== undefined) await allotAgent(buyer, agent, clusterAccount, caps);
  await writeJson(economyFile, { cluster, clusterAccount });
  return { deployment, networkFile, cluster, clusterAccount };
}

async function mintAll(
  client: LeatClient,
  tokens: Required<Tokens>,
  mints: readonly { readonly to: Address; readonly token: "LPT" | "USDC"; readonly whole: bigint }[],
): Promise<void> {
  // One after another: they are of one account, and its next nonce is known only when the last was taken.
  for (const { to, token, whole } of mints) {
    const args = [to, whole * unitOf(token)] as const;
    await write(client, { address: tokens[token], abi: mintAbi, functionName: "mint", args });
  }
}

async function fundCluster(
  owner: LeatClient,
  tokens: Required<Tokens>,
  cluster: bigint,
  account: Address,
  participants: Participants,
) {
  for (const name of ["USDC", "LPT"] as const) {
    const token = tokens[name];
    await deposit(owner, { token, amount: clusterDeposit * unitOf(name), account });
    for (const { node } of participants.operators) {
      await reserve(owner, { payee: node.address, token, amount: memberReserve * unitOf(name), asCluster: cluster });
    }
  }
}

async function fundBuyer(buyer: LeatClient, tokens: Required<Tokens>, clusterAccount: Address): Promise<void> {
  for (const name of ["USDC", "LPT"] as const) {
    const token = tokens[name];
    await deposit(buyer, { token, amount: buyerDeposit * unitOf(name) });
    await reserve(buyer, { payee: clusterAccount, token, amount: buyerReserve * unitOf(name) });
  }
}

async function allotAgent(buyer: LeatClient, agent: NodeKey, payee: Address, caps: Caps): Promise<void> {
  const { timestamp } = await buyer.publicClient.getBlock();
  const proof = await proveSigner(buyer, agent.signer, toAddress(addressOf(buyer)));
  for (const name of ["USDC", "LPT"] as const) {
    const token = toAddress(buyer.deployment.tokens[name]!);
    await allotSigner(buyer, { payee, token, cap: caps[name], validUntil: timestamp + allotSeconds, proof });
  }
}

function unitOf(token: "LPT" | "USDC"): bigint {
  return token === "USDC" ? 10n ** 6n : ether;
}
