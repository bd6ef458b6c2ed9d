import { clusterRegistryAbi } from "../../protocol/abi/cluster-registry.ts";
import type { Address } from "../../protocol/hex.ts";
import type { LeatClient } from "../create-client.ts";
import { type Done, write } from "../transaction.ts";
import { getClusterAccount } from "./cluster.ts";

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

async function clusters<N extends "accept" | "leaveCluster" | "setApproval">(
  client: LeatClient,
  functionName: N,
  args: Parameters<typeof write<typeof clusterRegistryAbi, N>>[1]["args"],
): Promise<Done> {
  const call = { address: client.deployment.clusterRegistry, abi: clusterRegistryAbi, functionName, args };
  const { transaction, blockNumber } = await write(client, call);
  return { transaction, blockNumber };
}
