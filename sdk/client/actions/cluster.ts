import { parseEventLogs } from "viem";
import { clusterRegistryAbi } from "../../protocol/abi/cluster-registry.ts";
import { createDomain } from "../../protocol/eip712.ts";
import { type Address, toAddress } from "../../protocol/hex.ts";
import { balancerPossessionStructure } from "../../protocol/signed.ts";
import { type StatementSigner, toCompactSignature } from "../../protocol/statements.ts";
import { countClusters } from "../clusters.ts";
import type { LeatClient } from "../create-client.ts";
import { soon } from "../token-signatures.ts";
import { addressOf, ClientError, type Done, write } from "../transaction.ts";

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
