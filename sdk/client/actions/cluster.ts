import { parseEventLogs } from "viem";
import { clusterRegistryAbi } from "../../protocol/abi/cluster-registry.ts";
import { clusterAccountOf } from "../../protocol/cluster-account.ts";
import { createDomain } from "../../protocol/eip712.ts";
import { type Address, toAddress, zeroAddress } from "../../protocol/hex.ts";
import { balancerPossessionStructure } from "../../protocol/signed.ts";
import { type StatementSigner, toCompactSignature } from "../../protocol/statements.ts";
import { callClusters, changeCluster } from "../cluster-call.ts";
import { assertCluster, countClusters } from "../clusters.ts";
import type { LeatClient } from "../create-client.ts";
import { soon } from "../token-signatures.ts";
import { addressOf, ClientError, type Done } from "../transaction.ts";

/** Who finds a cluster, and who comes in. */
export interface ClusterAccess {
  /** Shown to everybody who looks for a cluster. */
  readonly listed: boolean;
  /** Members need the owner's approval. */
  readonly approval: boolean;
}

export interface ClusterInput extends Partial<ClusterAccess> {
  /** Where its terms are to be read, at most 512 bytes. */
  readonly terms: string;
  /** Keys that will sign its vouchers, at most 32. */
  readonly balancers: readonly StatementSigner[];
  /** Its share of a payment, millionths; default 0. */
  readonly sharePpm?: number;
}

/**
 * Creates a cluster owned by the caller: listed and open unless the input says otherwise.
 * @throws CLIENT_SHARE_TOO_LARGE, CLIENT_TERMS_TOO_LONG, CLIENT_BALANCERS_TOO_MANY, CLIENT_BALANCER_TWICE
 */
export async function createCluster(
  client: LeatClient,
  input: ClusterInput,
): Promise<Done & { readonly cluster: bigint; readonly account: Address }> {
  const { terms, balancers, listed = true, approval = false, sharePpm = 0 } = input;
  const addresses = balancers.map(({ address }) => address);
  const twice = addresses.find((address, at) => addresses.indexOf(address) !== at);
  if (twice !== undefined) throw new ClientError({ code: "CLIENT_BALANCER_TWICE", balancer: twice });
  // A proof names the id that it is for; where somebody else is faster the transaction fails and can be repeated.
  const expected = (await countClusters(client)) + 1n;
  const proofs = await proveBalancers(client, expected, balancers);
  const args = [terms, ...toEnums({ listed, approval }), sharePpm, proofs] as const;
  const { transaction, blockNumber, receipt } = await callClusters(client, "create", args);
  // Without proofs nothing ties the transaction to the id that was expected.
  const [created] = parseEventLogs({ abi: clusterRegistryAbi, eventName: "ClusterCreated", logs: receipt.logs });
  const { cluster, account } = created!.args;
  return { transaction, blockNumber, cluster, account: toAddress(account) };
}

/** The account that a cluster pays and is paid through. @throws CLIENT_CLUSTER_UNKNOWN */
export async function getClusterAccount(client: LeatClient, cluster: bigint): Promise<Address> {
  // Money promised to a cluster that does not exist would wait for whoever creates it.
  await assertCluster(client, cluster);
  return clusterAccountOf(cluster);
}

export interface ClusterStatus extends ClusterAccess {
  readonly cluster: bigint;
  readonly account: Address;
  readonly owner: Address;
  /** What it asks now, millionths of a payment. */
  readonly sharePpm: number;
  /** What it asks from `at` on, seconds since 1970; undefined where no rise is under notice. */
  readonly nextShare: { readonly sharePpm: number; readonly at: bigint } | undefined;
  readonly terms: string;
  /** Current keys. */
  readonly balancers: readonly Address[];
  /** Who may take it over from `opensAt` to `endsAt`, seconds since 1970; a window that is over stands here too. */
  readonly transfer: { readonly newOwner: Address; readonly opensAt: bigint; readonly endsAt: bigint } | undefined;
}

/** What the chain knows of a cluster. @throws CLIENT_CLUSTER_UNKNOWN */
export async function getCluster(client: LeatClient, cluster: bigint): Promise<ClusterStatus> {
  const account = await getClusterAccount(client, cluster);
  const { publicClient, deployment } = client;
  const contract = { address: deployment.clusterRegistry, abi: clusterRegistryAbi } as const;
  const [found, balancers, windowSeconds] = await Promise.all([
    publicClient.readContract({ ...contract, functionName: "clusterOf", args: [cluster] }),
    publicClient.readContract({ ...contract, functionName: "balancersOf", args: [cluster] }),
    publicClient.readContract({ ...contract, functionName: "TRANSFER_WINDOW" }),
  ]);
  const { owner, sharePpm, nextSharePpm, nextShareAt, pendingOwner, transferAt, terms } = found;
  const opensAt = BigInt(transferAt);
  const isPending = pendingOwner !== zeroAddress;
  return {
    cluster,
    account,
    owner: toAddress(owner),
    listed: found.visibility === 0,
    approval: found.admission === 1,
    sharePpm,
    nextShare: nextShareAt === 0 ? undefined : { sharePpm: nextSharePpm, at: BigInt(nextShareAt) },
    terms,
    balancers: balancers.map(toAddress),
    transfer: isPending ? { newOwner: toAddress(pendingOwner), opensAt, endsAt: opensAt + windowSeconds } : undefined,
  };
}

/**
 * The calling owner adds a key that may sign vouchers. A key that was removed cannot come back.
 * @throws CLIENT_CLUSTER_UNKNOWN, CLIENT_CLUSTER_NOT_OWNER, CLIENT_BALANCER_USED, CLIENT_BALANCERS_TOO_MANY
 */
export async function addBalancer(
  client: LeatClient,
  input: { readonly cluster: bigint; readonly balancer: StatementSigner },
): Promise<Done> {
  // First: what is no number of the chain cannot be signed for.
  await assertCluster(client, input.cluster);
  const [proof] = await proveBalancers(client, input.cluster, [input.balancer]);
  return changeCluster(client, input.cluster, "addBalancer", [input.cluster, proof!]);
}

/**
 * The calling owner ends a key. What it signed stays valid for one thaw.
 * @throws CLIENT_CLUSTER_UNKNOWN, CLIENT_CLUSTER_NOT_OWNER, CLIENT_BALANCER_UNKNOWN
 */
export function removeBalancer(
  client: LeatClient,
  input: { readonly cluster: bigint; readonly balancer: Address },
): Promise<Done> {
  return changeCluster(client, input.cluster, "removeBalancer", [input.cluster, input.balancer]);
}

/**
 * The calling owner lowers the share at once, or raises it after one thaw: a further rise begins a new notice, and a fall
 * ends it.
 * @throws CLIENT_CLUSTER_UNKNOWN, CLIENT_CLUSTER_NOT_OWNER, CLIENT_SHARE_TOO_LARGE
 */
export function setShare(
  client: LeatClient,
  input: { readonly cluster: bigint; readonly sharePpm: number },
): Promise<Done> {
  return changeCluster(client, input.cluster, "setShare", [input.cluster, input.sharePpm]);
}

/** The calling owner says who finds the cluster and who comes in. @throws CLIENT_CLUSTER_UNKNOWN, CLIENT_CLUSTER_NOT_OWNER */
export function setAccess(client: LeatClient, input: ClusterAccess & { readonly cluster: bigint }): Promise<Done> {
  return changeCluster(client, input.cluster, "setAccess", [input.cluster, ...toEnums(input)]);
}

/**
 * The calling owner says anew where the terms are to be read.
 * @throws CLIENT_CLUSTER_UNKNOWN, CLIENT_CLUSTER_NOT_OWNER, CLIENT_TERMS_TOO_LONG
 */
export function setTerms(
  client: LeatClient,
  input: { readonly cluster: bigint; readonly terms: string },
): Promise<Done> {
  return changeCluster(client, input.cluster, "setTerms", [input.cluster, input.terms]);
}

/**
 * The calling owner lets another account take the cluster over after a thaw and a day, within 30 days. Takes the place of
 * what was begun before.
 * @throws CLIENT_CLUSTER_UNKNOWN, CLIENT_CLUSTER_NOT_OWNER
 */
export function startTransfer(
  client: LeatClient,
  input: { readonly cluster: bigint; readonly newOwner: Address },
): Promise<Done> {
  return changeCluster(client, input.cluster, "startTransfer", [input.cluster, input.newOwner]);
}

/** The calling owner keeps the cluster. @throws CLIENT_CLUSTER_UNKNOWN, CLIENT_CLUSTER_NOT_OWNER, CLIENT_TRANSFER_NONE */
export function cancelTransfer(client: LeatClient, cluster: bigint): Promise<Done> {
  return changeCluster(client, cluster, "cancelTransfer", [cluster]);
}

/**
 * The caller, whom the owner named, takes the cluster over with its account and all that it holds. The balancer keys of the
 * old owner end; what they signed stays valid for one thaw.
 * @throws CLIENT_CLUSTER_UNKNOWN, CLIENT_TRANSFER_NONE, CLIENT_TRANSFER_OF_ANOTHER, CLIENT_TRANSFER_EARLY, CLIENT_TRANSFER_LATE
 */
export function acceptTransfer(client: LeatClient, cluster: bigint): Promise<Done> {
  return changeCluster(client, cluster, "acceptTransfer", [cluster]);
}

/** `IClusterRegistry.Visibility` and `Admission`. */
function toEnums({ listed, approval }: ClusterAccess): readonly [visibility: 0 | 1, admission: 0 | 1] {
  return [listed ? 0 : 1, approval ? 1 : 0];
}

/** Each key's signed word that it signs for the cluster of the calling owner. */
async function proveBalancers(client: LeatClient, cluster: bigint, balancers: readonly StatementSigner[]) {
  const { chainId, clusterRegistry } = client.deployment;
  const owner = addressOf(client);
  const domain = createDomain(chainId, clusterRegistry);
  const validUntil = await soon(client);
  return Promise.all(
    balancers.map(async (signer) => {
      const value = { cluster, owner, balancer: signer.address, validUntil };
      const signature = await signer.sign(balancerPossessionStructure, domain, value);
      return { balancer: signer.address, validUntil, ...toCompactSignature(signature) };
    }),
  );
}
