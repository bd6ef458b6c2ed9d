import { operatorRegistryAbi } from "../../protocol/abi/operator-registry.ts";
import { type Address, toAddress, zeroAddress } from "../../protocol/hex.ts";
import type { StatementSigner } from "../../protocol/statements.ts";
import type { LeatClient } from "../create-client.ts";
import { callOperators } from "../operator-call.ts";
import { assertRecipient } from "../recipient.ts";
import { addressOf, ClientError, type Done } from "../transaction.ts";
import { proveNode } from "./operator.ts";

/** Adds one more node key to an operator: the calling one, or one that made the caller its manager. */
export async function addNode(
  client: LeatClient,
  input: { readonly node: StatementSigner; readonly endpoint: string; readonly operator?: Address },
): Promise<Done> {
  const operator = input.operator ?? addressOf(client);
  return callOperators(client, "addNode", [operator, await proveNode(client, operator, input.node), input.endpoint]);
}

/**
 * Revokes a lost key and adds the one that takes its place, in one transaction. The caller is the operator of the lost key
 * or its manager.
 * @throws CLIENT_NODE_UNKNOWN
 */
export async function rotateNode(
  client: LeatClient,
  input: { readonly lost: Address; readonly node: StatementSigner; readonly endpoint: string },
): Promise<Done> {
  const operator = await getOperatorOf(client, input.lost);
  const proof = await proveNode(client, operator, input.node);
  return callOperators(client, "rotateNode", [input.lost, proof, input.endpoint]);
}

/** For ever: the key can make no new promise. What it is owed stays collectable. */
export function revokeNode(client: LeatClient, node: Address): Promise<Done> {
  return callOperators(client, "revokeNode", [node]);
}

/** Says anew where a node's signed offer is to be had. */
export function setNodeEndpoint(
  client: LeatClient,
  input: { readonly node: Address; readonly endpoint: string },
): Promise<Done> {
  return callOperators(client, "setEndpoint", [input.node, input.endpoint]);
}

/** Lets another account keep the calling operator's node keys; undefined: nobody but the operator. */
export function setManager(client: LeatClient, manager: Address | undefined): Promise<Done> {
  return callOperators(client, "setManager", [manager ?? zeroAddress]);
}

/**
 * Chooses who receives the calling operator's proceeds, by default itself, and whether they are sent or credited.
 * @throws CLIENT_RECIPIENT_KEYLESS
 */
export async function setPayout(
  client: LeatClient,
  input: { readonly beneficiary?: Address; readonly pushPayouts: boolean },
): Promise<Done> {
  const { beneficiary, pushPayouts } = input;
  if (beneficiary !== undefined) await assertRecipient(client, beneficiary, pushPayouts ? "sent" : "credited");
  return callOperators(client, "setPayout", [beneficiary ?? zeroAddress, pushPayouts]);
}

/** The operator of a node key, revoked or not. @throws CLIENT_NODE_UNKNOWN */
export async function getOperatorOf(client: LeatClient, node: Address): Promise<Address> {
  const found = await client.publicClient.readContract({
    address: client.deployment.operatorRegistry,
    abi: operatorRegistryAbi,
    functionName: "operatorOf",
    args: [node],
  });
  if (found === zeroAddress) throw new ClientError({ code: "CLIENT_NODE_UNKNOWN", node });
  return toAddress(found);
}
