import { operatorRegistryAbi } from "../../protocol/abi/operator-registry.ts";
import type { Address } from "../../protocol/hex.ts";
import type { LeatClient } from "../create-client.ts";
import { callOperators } from "../operator-call.ts";
import { assertRecipient } from "../recipient.ts";
import { signPermit } from "../token-signatures.ts";
import { addressOf, type Done } from "../transaction.ts";
import { requireBalance } from "./operator.ts";

/** What stands behind an operator, stake token base units. */
export interface Stake {
  /** Its own, not thawing. */
  readonly stake: bigint;
  readonly thawing: bigint;
  /** Seconds since 1970 when its own thawing part can be withdrawn; 0 when nothing thaws. */
  readonly thawEndsAt: bigint;
  /** Its sponsors', not thawing. */
  readonly sponsored: bigint;
  readonly sponsoredThawing: bigint;
  /** All of it: what a slash can take. */
  readonly slashable: bigint;
}

/** What one sponsor has behind an operator, stake token base units. */
export type Sponsorship = Pick<Stake, "stake" | "thawing" | "thawEndsAt">;

export async function getStake(client: LeatClient, operator: Address): Promise<Stake> {
  return await client.publicClient.readContract({ ...registryOf(client), functionName: "stakeOf", args: [operator] });
}

export async function getSponsorship(
  client: LeatClient,
  input: { readonly operator: Address; readonly sponsor: Address },
): Promise<Sponsorship> {
  const args = [input.operator, input.sponsor] as const;
  return await client.publicClient.readContract({ ...registryOf(client), functionName: "sponsorshipOf", args });
}

/** Adds to the calling operator's stake, by a signed permit where the allowance does not suffice. */
export async function topUpStake(client: LeatClient, amount: bigint): Promise<Done> {
  return callOperators(client, "topUp", [amount, await permitOf(client, amount)]);
}

/**
 * Starts to take stake out. It stays slashable until withdrawn; an increase restarts the wait for all of it.
 * @throws CLIENT_STAKE_SHORT
 */
export function thawStake(client: LeatClient, amount: bigint): Promise<Done> {
  return callOperators(client, "thaw", [amount]);
}

export function cancelStakeThaw(client: LeatClient): Promise<Done> {
  return callOperators(client, "cancelThaw", []);
}

/**
 * Sends what thawed to `to`, by default the caller.
 * @throws CLIENT_THAW_RUNNING, CLIENT_THAW_NONE, CLIENT_RECIPIENT_KEYLESS
 */
export async function withdrawStake(client: LeatClient, to: Address = addressOf(client)): Promise<Done> {
  await assertRecipient(client, to);
  return callOperators(client, "withdraw", [to]);
}

/** Puts the caller's stake behind an operator: the caller alone takes it out, and it is slashed like the operator's own. */
export async function sponsorOperator(
  client: LeatClient,
  input: { readonly operator: Address; readonly amount: bigint },
): Promise<Done> {
  return callOperators(client, "stakeFor", [input.operator, input.amount, await permitOf(client, input.amount)]);
}

export function thawSponsored(
  client: LeatClient,
  input: { readonly operator: Address; readonly amount: bigint },
): Promise<Done> {
  return callOperators(client, "thawSponsored", [input.operator, input.amount]);
}

export function cancelSponsoredThaw(client: LeatClient, operator: Address): Promise<Done> {
  return callOperators(client, "cancelSponsoredThaw", [operator]);
}

/** Sends the caller's stake that thawed to `to`, by default the caller. @throws CLIENT_RECIPIENT_KEYLESS */
export async function withdrawSponsored(
  client: LeatClient,
  input: { readonly operator: Address; readonly to?: Address },
): Promise<Done> {
  const to = input.to ?? addressOf(client);
  await assertRecipient(client, to);
  return callOperators(client, "withdrawSponsored", [input.operator, to]);
}

async function permitOf(client: LeatClient, amount: bigint) {
  const token = client.deployment.stakeToken;
  await requireBalance(client, token, amount);
  return await signPermit(client, token, client.deployment.operatorRegistry, amount);
}

function registryOf({ deployment }: LeatClient) {
  return { address: deployment.operatorRegistry, abi: operatorRegistryAbi } as const;
}
