import { erc20Abi, parseEventLogs } from "viem";
import { clusterRegistryAbi } from "../../protocol/abi/cluster-registry.ts";
import { operatorRegistryAbi } from "../../protocol/abi/operator-registry.ts";
import { createDomain } from "../../protocol/eip712.ts";
import { type Address, toAddress, zeroAddress } from "../../protocol/hex.ts";
import { balancerPossessionStructure, nodePossessionStructure } from "../../protocol/signed.ts";
import { type StatementSigner, toCompactSignature } from "../../protocol/statements.ts";
import { countClusters } from "../clusters.ts";
import type { LeatClient } from "../create-client.ts";
import { assertRecipient } from "../recipient.ts";
import { nameToken } from "../refusals.ts";
import { signPermit, soon } from "../token-signatures.ts";
import { addressOf, ClientError, type Done, write } from "../transaction.ts";
import { balanceShort } from "./account.ts";

export interface JoinInput {
  /** Base units of the stake token. */
  readonly stake: bigint;
  /** Signs that the first node belongs to this operator; the key itself stays with it. */
  readonly node: StatementSigner;
  /** Where the node's signed offer is to be had. */
  readonly endpoint: string;
  /** The cluster to accept; 0 for none. */
  readonly cluster?: bigint;
  /** Largest share of pay that the cluster may take, millionths. */
  readonly maximumSharePpm?: number;
  /** Who receives proceeds; default the operator itself. */
  readonly beneficiary?: Address;
  /** Have proceeds sent rather than credited. */
  readonly pushPayouts?: boolean;
}

/**
 * One transaction: stakes by a signed permit, adds the first node, publishes its endpoint, accepts a cluster.
 * @throws CLIENT_BALANCE_SHORT, CLIENT_CLUSTER_UNKNOWN, CLIENT_JOIN_SHORT, CLIENT_RECIPIENT_KEYLESS
 */
export async function joinOperator(client: LeatClient, input: JoinInput): Promise<Done> {
  const operator = addressOf(client);
  const token = client.deployment.stakeToken;
  const { cluster = 0n, beneficiary = zeroAddress, pushPayouts = false } = input;
  if (cluster !== 0n) await getClusterAccount(client, cluster);
  await assertRecipient(client, beneficiary, pushPayouts ? "sent" : "credited");
  await requireMinimum(client, input.stake);
  await requireBalance(client, token, input.stake);
  const node = await proveNode(client, operator, input.node);
  const permit = await signPermit(client, token, client.deployment.operatorRegistry, input.stake);
  const request = {
    stake: input.stake,
    permit,
    beneficiary,
    pushPayouts,
    node,
    endpoint: input.endpoint,
    cluster,
    maximumSharePpm: input.maximumSharePpm ?? 0,
  };
  const { transaction, blockNumber } = await write(client, {
    address: client.deployment.operatorRegistry,
    abi: operatorRegistryAbi,
    functionName: "join",
    args: [request],
  });
  return { transaction, blockNumber };
}

async function requireMinimum(client: LeatClient, found: bigint): Promise<void> {
  const { operatorRegistry, stakeToken } = client.deployment;
  const call = { address: operatorRegistry, abi: operatorRegistryAbi, functionName: "minimumStake" } as const;
  const wanted = await client.publicClient.readContract(call);
  if (found >= wanted) return;
  throw new ClientError({ code: "CLIENT_JOIN_SHORT", ...(await nameToken(client, stakeToken)), wanted, found });
}

export interface OperatorStatus {
  readonly operator: Address;
  /** Who may change its node keys besides itself. */
  readonly manager: Address | undefined;
  /** Its own, not thawing; base units of the stake token. */
  readonly stake: bigint;
  readonly thawing: bigint;
  /** Seconds since 1970; 0 when nothing thaws. */
  readonly thawEndsAt: bigint;
  /** Its sponsors', not thawing. */
  readonly sponsored: bigint;
  readonly sponsoredThawing: bigint;
  /** Whether `node` can make new promises. */
  readonly nodeActive: boolean;
  /** Where the node's signed offer is to be had. */
  readonly endpoint: string;
  readonly beneficiary: Address;
  readonly pushPayouts: boolean;
}

/** The operator behind a node key: what is at stake and where its proceeds go. Undefined for a key that nobody added. */
export async function getOperatorStatus(client: LeatClient, node: Address): Promise<OperatorStatus | undefined> {
  const { publicClient, deployment } = client;
  const contract = { address: deployment.operatorRegistry, abi: operatorRegistryAbi } as const;
  const [operator, beneficiary, pushPayouts] = await publicClient.readContract({
    ...contract,
    functionName: "payoutOf",
    args: [node],
  });
  if (operator === zeroAddress) return undefined;
  const [{ stake, thawing, thawEndsAt, sponsored, sponsoredThawing }, { manager }, nodeActive, endpoint] =
    await Promise.all([
      publicClient.readContract({ ...contract, functionName: "stakeOf", args: [operator] }),
      publicClient.readContract({ ...contract, functionName: "operatorInfoOf", args: [operator] }),
      publicClient.readContract({ ...contract, functionName: "isActiveNode", args: [node] }),
      publicClient.readContract({ ...contract, functionName: "endpointOf", args: [node] }),
    ]);
  return {
    operator: toAddress(operator),
    manager: manager === zeroAddress ? undefined : toAddress(manager),
    stake,
    thawing,
    thawEndsAt,
    sponsored,
    sponsoredThawing,
    nodeActive,
    endpoint,
    beneficiary: toAddress(beneficiary),
    pushPayouts,
  };
}

export interface Membership {
  readonly cluster: bigint;
  /** Whether the cluster lets the operator in, or still has to. */
  readonly approved: boolean;
  /** Largest share of pay that the cluster may take, millionths. */
  readonly maximumSharePpm: number;
}

/** The clusters that an operator accepts now. */
export async function listMemberships(client: LeatClient, operator: Address): Promise<Membership[]> {
  const { publicClient, deployment } = client;
  const contract = { address: deployment.clusterRegistry, abi: clusterRegistryAbi } as const;
  const logs = await publicClient.getContractEvents({
    ...contract,
    eventName: "MemberAccepted",
    args: { operator },
    fromBlock: deployment.deployedAtBlock,
    strict: true,
  });
  const found = await Promise.all(
    [...new Set(logs.map(({ args }) => args.cluster))].map(async (cluster) => {
      const args = [cluster, operator] as const;
      const membership = await publicClient.readContract({ ...contract, functionName: "membershipOf", args });
      return { ...membership, cluster };
    }),
  );
  return found
    .filter(({ accepted }) => accepted)
    .map(({ cluster, approved, acceptedPpm }) => ({ cluster, approved, maximumSharePpm: acceptedPpm }));
}

export interface ClusterInput {
  /** Where its terms are to be read. */
  readonly terms: string;
  /** Keys that will sign its vouchers. */
  readonly balancers: readonly StatementSigner[];
  readonly listed?: boolean;
  /** Members need the owner's approval. */
  readonly approval?: boolean;
  readonly sharePpm?: number;
}

/** Creates a cluster owned by the caller. */
export async function createCluster(
  client: LeatClient,
  input: ClusterInput,
): Promise<Done & { readonly cluster: bigint; readonly account: Address }> {
  const { deployment } = client;
  const owner = addressOf(client);
  const contract = { address: deployment.clusterRegistry, abi: clusterRegistryAbi } as const;
  // A proof names the id that it is for; where somebody else is faster the transaction fails and can be repeated.
  const cluster = (await countClusters(client)) + 1n;
  const domain = createDomain(deployment.chainId, deployment.clusterRegistry);
  const validUntil = await soon(client);
  const proofs = await Promise.all(
    input.balancers.map(async (signer) => {
      const value = { cluster, owner, balancer: signer.address, validUntil };
      const signature = await signer.sign(balancerPossessionStructure, domain, value);
      return { balancer: signer.address, validUntil, ...toCompactSignature(signature) };
    }),
  );
  const [visibility, admission] = [input.listed === false ? 1 : 0, input.approval === true ? 1 : 0];
  const args = [input.terms, visibility, admission, input.sharePpm ?? 0, proofs] as const;
  const { transaction, blockNumber, receipt } = await write(client, { ...contract, functionName: "create", args });
  // Without proofs nothing ties the transaction to the id that was expected.
  const [created] = parseEventLogs({ abi: clusterRegistryAbi, eventName: "ClusterCreated", logs: receipt.logs });
  return { transaction, blockNumber, cluster: created!.args.cluster, account: toAddress(created!.args.account) };
}

/** The account that a cluster pays and is paid through. @throws CLIENT_CLUSTER_UNKNOWN */
export async function getClusterAccount(client: LeatClient, cluster: bigint): Promise<Address> {
  const count = await countClusters(client);
  // Ids count from 1. Money promised to a cluster that does not exist would wait for whoever creates it.
  if (cluster < 1n || cluster > count) throw new ClientError({ code: "CLIENT_CLUSTER_UNKNOWN", cluster, count });
  const account = await client.publicClient.readContract({
    address: client.deployment.clusterRegistry,
    abi: clusterRegistryAbi,
    functionName: "accountOf",
    args: [cluster],
  });
  return toAddress(account);
}

/** The calling operator accepts a cluster and the largest share that it lets it take. @throws CLIENT_CLUSTER_UNKNOWN */
export async function acceptCluster(
  client: LeatClient,
  input: { readonly cluster: bigint; readonly maximumSharePpm: number },
): Promise<Done> {
  await getClusterAccount(client, input.cluster);
  return clusters(client, "accept", [input.cluster, input.maximumSharePpm]);
}

/** The calling operator leaves a cluster. What it earned there stays collectable. @throws CLIENT_CLUSTER_UNKNOWN */
export async function leaveCluster(client: LeatClient, cluster: bigint): Promise<Done> {
  await getClusterAccount(client, cluster);
  return clusters(client, "leaveCluster", [cluster]);
}

/** The calling owner of a cluster approves an operator, before or after it accepts. */
export function acceptMember(
  client: LeatClient,
  input: { readonly cluster: bigint; readonly operator: Address },
): Promise<Done> {
  return clusters(client, "setApproval", [input.cluster, input.operator, true]);
}

/** The calling owner of a cluster keeps an operator out, open or not, until it is approved. */
export function refuseMember(
  client: LeatClient,
  input: { readonly cluster: bigint; readonly operator: Address },
): Promise<Done> {
  return clusters(client, "setApproval", [input.cluster, input.operator, false]);
}

/** @throws CLIENT_BALANCE_SHORT where the caller holds less of a token than it is about to hand over */
export async function requireBalance(client: LeatClient, token: Address, wanted: bigint): Promise<void> {
  const args = [addressOf(client)] as const;
  const call = { address: token, abi: erc20Abi, functionName: "balanceOf", args } as const;
  const found = await client.publicClient.readContract(call);
  if (found < wanted) throw await balanceShort(client, token, wanted, found);
}

/** A node key's signed word that it belongs to the operator. */
export async function proveNode(client: LeatClient, operator: Address, signer: StatementSigner) {
  const { chainId, operatorRegistry } = client.deployment;
  const value = { operator, node: signer.address, validUntil: await soon(client) };
  const signature = await signer.sign(nodePossessionStructure, createDomain(chainId, operatorRegistry), value);
  return { node: signer.address, validUntil: value.validUntil, ...toCompactSignature(signature) };
}

async function clusters<N extends "accept" | "leaveCluster" | "setApproval">(
  client: LeatClient,
  functionName: N,
  args: Parameters<typeof write<typeof clusterRegistryAbi, N>>[1]["args"],
): Promise<Done> {
  const call = { address: client.deployment.clusterRegistry, abi: clusterRegistryAbi, functionName, args };
  const { transaction, blockNumber } = await write(client, call);
  return { transaction, blockNumber };
}
