import { clusterAccountOf } from "../protocol/cluster-account.ts";
import { type Address, toAddress } from "../protocol/hex.ts";
import { countClusters } from "./clusters.ts";
import type { LeatClient } from "./create-client.ts";
import { ClientError } from "./transaction.ts";

/** Clusters whose accounts are reckoned, some 20 µs each: anybody may make more. */
const MOST_CLUSTERS = 10_000n;

/** What the escrow credits, a cluster's owner can take out: only what is sent there lies there for ever. */
export type ComesAs = "sent" | "credited";

/**
 * Whether somebody could use what `to` receives: neither a contract or token of the deployment nor, where it is sent, a
 * cluster's account, which has no key. @throws CLIENT_RECIPIENT_KEYLESS
 */
export async function assertRecipient(client: LeatClient, to: Address, as: ComesAs = "sent"): Promise<void> {
  const { deployment } = client;
  const { escrow, operatorRegistry, clusterRegistry, accessManager, faults, stakeToken, tokens } = deployment;
  const contracts = { escrow, operatorRegistry, clusterRegistry, accessManager, faults, stakeToken, ...tokens };
  const recipient = toAddress(to);
  for (const [name, address] of Object.entries(contracts)) {
    if (address !== undefined && toAddress(address) === recipient) throw keyless(recipient, `the contract ${name}`);
  }
  if (as === "credited") return;
  const count = await countClusters(client);
  const last = count < MOST_CLUSTERS ? count : MOST_CLUSTERS;
  for (let cluster = 1n; cluster <= last; cluster += 1n) {
    if (clusterAccountOf(cluster) === recipient) throw keyless(recipient, `the account of cluster ${cluster}`);
  }
}

function keyless(recipient: Address, what: string): ClientError {
  return new ClientError({ code: "CLIENT_RECIPIENT_KEYLESS", recipient, what });
}
