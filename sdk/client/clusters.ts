import { clusterRegistryAbi } from "../protocol/abi/cluster-registry.ts";
import type { LeatClient } from "./create-client.ts";
import { ClientError } from "./transaction.ts";

/** Clusters are numbered from 1 to this. */
export function countClusters({ publicClient, deployment }: LeatClient): Promise<bigint> {
  const call = { address: deployment.clusterRegistry, abi: clusterRegistryAbi, functionName: "clusterCount" } as const;
  return publicClient.readContract(call);
}

/** @throws CLIENT_CLUSTER_UNKNOWN */
export async function assertCluster(client: LeatClient, cluster: bigint): Promise<void> {
  const count = await countClusters(client);
  if (cluster < 1n || cluster > count) throw new ClientError({ code: "CLIENT_CLUSTER_UNKNOWN", cluster, count });
}
