import { clusterRegistryAbi } from "../protocol/abi/cluster-registry.ts";
import type { LeatClient } from "./create-client.ts";

/** Clusters are numbered from 1 to this. */
export function countClusters({ publicClient, deployment }: LeatClient): Promise<bigint> {
  const call = { address: deployment.clusterRegistry, abi: clusterRegistryAbi, functionName: "clusterCount" } as const;
  return publicClient.readContract(call);
}
