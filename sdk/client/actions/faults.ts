import { parseEventLogs } from "viem";
import { faultsAbi } from "../../protocol/abi/faults.ts";
import { operatorRegistryAbi } from "../../protocol/abi/operator-registry.ts";
import { createDomain } from "../../protocol/eip712.ts";
import { checkEquivocation, type Equivocation, type EquivocationFacts } from "../../protocol/faults.ts";
import { type Address, toAddress, zeroAddress } from "../../protocol/hex.ts";
import { nobleStatements, toCompactSignature } from "../../protocol/statements.ts";
import type { LeatClient } from "../create-client.ts";
import { addressOf, ClientError, type Done, write } from "../transaction.ts";

/** What a proof shows, and what it is worth on chain now. */
export interface EquivocationStatus extends EquivocationFacts {
  /** Whose key signed; undefined for a key that no operator ever had. */
  readonly operator: Address | undefined;
  /** This segment and attempt of the key counted before. */
  readonly proven: boolean;
  /** Most that can be taken for this key now, base units of the stake token. */
  readonly slashable: bigint;
}

/** @throws a FaultError where the pair proves nothing; CLIENT_CONTRACT_MISSING */
export async function getEquivocationStatus(client: LeatClient, pair: Equivocation): Promise<EquivocationStatus> {
  const { publicClient, deployment } = client;
  const facts = checkEquivocation(nobleStatements, createDomain(deployment.chainId, deployment.escrow), pair);
  const contract = { address: faultsOf(client), abi: faultsAbi } as const;
  const { node, job, seq, attempt } = facts;
  const [operator, proven, slashable] = await Promise.all([
    publicClient.readContract({
      address: deployment.operatorRegistry,
      abi: operatorRegistryAbi,
      functionName: "operatorOf",
      args: [node],
    }),
    publicClient.readContract({ ...contract, functionName: "wasProven", args: [node, job, seq, attempt] }),
    publicClient.readContract({ ...contract, functionName: "slashable", args: [node] }),
  ]);
  return { ...facts, operator: operator === zeroAddress ? undefined : toAddress(operator), proven, slashable };
}

/**
 * Slashes the operator of the node that signed both. The reward goes to `reporter`, by default the client itself.
 * @throws a FaultError where the pair proves nothing; CLIENT_REVERTED, CLIENT_CONTRACT_MISSING
 */
export async function reportEquivocation(
  client: LeatClient,
  pair: Equivocation,
  reporter: Address = addressOf(client),
): Promise<Done & { readonly node: Address; readonly taken: bigint; readonly reward: bigint }> {
  const { deployment } = client;
  const { node } = checkEquivocation(nobleStatements, createDomain(deployment.chainId, deployment.escrow), pair);
  const { transaction, blockNumber, receipt } = await write(client, {
    address: faultsOf(client),
    abi: faultsAbi,
    functionName: "proveEquivocation",
    args: [...proofArguments(pair), reporter],
  });
  const [event] = parseEventLogs({ abi: faultsAbi, logs: receipt.logs, eventName: "EquivocationProven" });
  const { taken = 0n, reward = 0n } = event?.args ?? {};
  return { transaction, blockNumber, node, taken, reward };
}

/** A pair as the contract takes it, without the reporter. */
export function proofArguments({ first, second }: Equivocation) {
  return [
    first.value,
    toCompactSignature(first.signature),
    second.value,
    toCompactSignature(second.signature),
  ] as const;
}

function faultsOf({ deployment }: LeatClient): Address {
  if (deployment.faults === undefined) throw new ClientError({ code: "CLIENT_CONTRACT_MISSING", contract: "faults" });
  return deployment.faults;
}
