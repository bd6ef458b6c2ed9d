import type { ContractFunctionName, TransactionReceipt } from "viem";
import { clusterRegistryAbi } from "../protocol/abi/cluster-registry.ts";
import { assertCluster } from "./clusters.ts";
import type { LeatClient } from "./create-client.ts";
import { explainClusterRefusal } from "./refusals.ts";
import { type Done, type Write, write } from "./transaction.ts";

type ClusterWrite = ContractFunctionName<typeof clusterRegistryAbi, "nonpayable">;
type ClusterArgs<N extends ClusterWrite> = Write<typeof clusterRegistryAbi, N>["args"];

/** One transaction to the registry of clusters. @throws CLIENT_REVERTED, or a code of its own where it said more */
export async function callClusters<N extends ClusterWrite>(
  client: LeatClient,
  functionName: N,
  args: ClusterArgs<N>,
): Promise<Done & { readonly receipt: TransactionReceipt }> {
  const registry = { address: client.deployment.clusterRegistry, abi: clusterRegistryAbi } as const;
  try {
    return await write(client, { ...registry, functionName, args });
  } catch (error) {
    throw explainClusterRefusal(error);
  }
}

/** The same about a cluster that there is: of one that is not, the registry often says something else. @throws CLIENT_CLUSTER_UNKNOWN */
export async function changeCluster<N extends ClusterWrite>(
  client: LeatClient,
  cluster: bigint,
  functionName: N,
  args: ClusterArgs<N>,
): Promise<Done> {
  await assertCluster(client, cluster);
  const { transaction, blockNumber } = await callClusters(client, functionName, args);
  return { transaction, blockNumber };
}
