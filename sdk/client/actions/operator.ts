import { erc20Abi } from "viem";
import { operatorRegistryAbi } from "../../protocol/abi/operator-registry.ts";
import { createDomain } from "../../protocol/eip712.ts";
import { type Address, toAddress, zeroAddress } from "../../protocol/hex.ts";
import { nodePossessionStructure } from "../../protocol/signed.ts";
import { type StatementSigner, toCompactSignature } from "../../protocol/statements.ts";
import type { LeatClient } from "../create-client.ts";
import { assertRecipient } from "../recipient.ts";
import { nameToken } from "../refusals.ts";
import { signPermit, soon } from "../token-signatures.ts";
import { addressOf, ClientError, type Done, write } from "../transaction.ts";
import { balanceShort } from "./account.ts";
import { getClusterAccount } from "./cluster.ts";

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
