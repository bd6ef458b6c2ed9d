import { clusterRegistryAbi } from "../../protocol/abi/cluster-registry.ts";
import { operatorRegistryAbi } from "../../protocol/abi/operator-registry.ts";
import { type Address, toAddress, zeroAddress } from "../../protocol/hex.ts";
import { changeCluster } from "../cluster-call.ts";
import { assertCluster } from "../clusters.ts";
import type { LeatClient } from "../create-client.ts";
import { ClientError, type Done } from "../transaction.ts";

export interface Membership {
  readonly cluster: bigint;
  /** Whether the cluster lets the operator in, or still has to. */
  readonly approved: boolean;
  /** Largest share of pay that the cluster may take, millionths. */
  readonly maximumSharePpm: number;
}

export interface MembershipStatus extends Membership {
  readonly operator: Address;
  /** Whether the operator accepts the cluster now. It is a member when the cluster approves it too. */
  readonly accepted: boolean;
  /** Whether the owner keeps it out, open or not. */
  readonly refused: boolean;
}

/** What an operator and a cluster agreed. @throws CLIENT_CLUSTER_UNKNOWN */
export async function getMembership(
  client: LeatClient,
  input: { readonly cluster: bigint; readonly operator: Address },
): Promise<MembershipStatus> {
  await assertCluster(client, input.cluster);
  return readMembership(client, input);
}

/** The clusters that an operator accepts now. */
export async function listMemberships(client: LeatClient, operator: Address): Promise<Membership[]> {
  const found = await listAccepted(client, { operator });
  return found.map(({ cluster, approved, maximumSharePpm }) => ({ cluster, approved, maximumSharePpm }));
}

/** The operators that accept a cluster now: its members, and those that wait for its owner. @throws CLIENT_CLUSTER_UNKNOWN */
export async function listMembers(client: LeatClient, cluster: bigint): Promise<MembershipStatus[]> {
  await assertCluster(client, cluster);
  return listAccepted(client, { cluster });
}

/**
 * The calling operator accepts a cluster and the largest share that it lets it take.
 * @throws CLIENT_CLUSTER_UNKNOWN, CLIENT_OPERATOR_UNKNOWN, CLIENT_SHARE_ABOVE_ACCEPTED, CLIENT_SHARE_TOO_LARGE, CLIENT_MEMBER_REFUSED
 */
export function acceptCluster(
  client: LeatClient,
  input: { readonly cluster: bigint; readonly maximumSharePpm: number },
): Promise<Done> {
  return changeCluster(client, input.cluster, "accept", [input.cluster, input.maximumSharePpm]);
}

/**
 * The calling operator leaves a cluster. What it earned there stays collectable.
 * @throws CLIENT_CLUSTER_UNKNOWN, CLIENT_MEMBER_UNKNOWN
 */
export function leaveCluster(client: LeatClient, cluster: bigint): Promise<Done> {
  return changeCluster(client, cluster, "leaveCluster", [cluster]);
}

/**
 * The calling owner of a cluster approves an operator, before or after it accepts.
 * @throws CLIENT_CLUSTER_UNKNOWN, CLIENT_CLUSTER_NOT_OWNER, CLIENT_MEMBER_IS_NODE
 */
export async function acceptMember(
  client: LeatClient,
  input: { readonly cluster: bigint; readonly operator: Address },
): Promise<Done> {
  await assertNoNode(client, input.operator);
  return changeCluster(client, input.cluster, "setApproval", [input.cluster, input.operator, true]);
}

/**
 * The calling owner of a cluster keeps an operator out, open or not, until it is approved.
 * @throws CLIENT_CLUSTER_UNKNOWN, CLIENT_CLUSTER_NOT_OWNER, CLIENT_MEMBER_IS_NODE
 */
export async function refuseMember(
  client: LeatClient,
  input: { readonly cluster: bigint; readonly operator: Address },
): Promise<Done> {
  await assertNoNode(client, input.operator);
  return changeCluster(client, input.cluster, "setApproval", [input.cluster, input.operator, false]);
}

/** A node's address stands everywhere, and the registry takes any: its operator would stay in, or out. */
async function assertNoNode({ publicClient, deployment }: LeatClient, account: Address): Promise<void> {
  const contract = { address: deployment.operatorRegistry, abi: operatorRegistryAbi } as const;
  const operator = toAddress(
    await publicClient.readContract({ ...contract, functionName: "operatorOf", args: [account] }),
  );
  if (operator === zeroAddress || operator === account) return;
  throw new ClientError({ code: "CLIENT_MEMBER_IS_NODE", node: account, operator });
}

async function listAccepted(
  client: LeatClient,
  filter: { readonly cluster?: bigint; readonly operator?: Address },
): Promise<MembershipStatus[]> {
  const { publicClient, deployment } = client;
  const logs = await publicClient.getContractEvents({
    address: deployment.clusterRegistry,
    abi: clusterRegistryAbi,
    eventName: "MemberAccepted",
    args: filter,
    fromBlock: deployment.deployedAtBlock,
    strict: true,
  });
  const named = new Map(
    logs.map(({ args: { cluster, operator } }) => [`${cluster} ${operator}`, { cluster, operator }]),
  );
  const found = await Promise.all([...named.values()].map((input) => readMembership(client, input)));
  return found.filter(({ accepted }) => accepted);
}

async function readMembership(
  { publicClient, deployment }: LeatClient,
  { cluster, operator }: { readonly cluster: bigint; readonly operator: Address },
): Promise<MembershipStatus> {
  const { accepted, approved, refused, acceptedPpm } = await publicClient.readContract({
    address: deployment.clusterRegistry,
    abi: clusterRegistryAbi,
    functionName: "membershipOf",
    args: [cluster, operator],
  });
  return { cluster, operator: toAddress(operator), accepted, approved, refused, maximumSharePpm: acceptedPpm };
}
