import {
  AbiDecodingDataSizeTooSmallError,
  BaseError,
  ContractFunctionRevertedError,
  ContractFunctionZeroDataError,
  erc20Abi,
} from "viem";
import { paymentEscrowAbi } from "../../protocol/abi/payment-escrow.ts";
import { type Channel, channelId, hubChannel } from "../../protocol/channel.ts";
import { type Address, type Hex, isHex, toAddress } from "../../protocol/hex.ts";
import { checkContracts } from "../contracts.ts";
import type { LeatClient } from "../create-client.ts";
import { callEscrow } from "../escrow-call.ts";
import { assertRecipient } from "../recipient.ts";
import { nameToken } from "../refusals.ts";
import { addressOf, ClientError, type Done, write } from "../transaction.ts";

/** The address of a token named `LPT` or `USDC`, or given as an address. */
export function tokenAddress(client: LeatClient, token: string): Address {
  const known = new Map<string, Address>(Object.entries(client.deployment.tokens));
  const found = known.get(token.toUpperCase());
  if (found !== undefined) return toAddress(found);
  if (!isHex(token, 20)) throw new ClientError({ code: "CLIENT_TOKEN_UNKNOWN", token });
  return toAddress(token);
}

/** @throws CLIENT_TOKEN_UNKNOWN where there is no token at that address */
export async function getDecimals(client: LeatClient, token: Address): Promise<number> {
  const call = { address: token, abi: erc20Abi, functionName: "decimals" } as const;
  return client.publicClient.readContract(call).catch((cause) => {
    const isNone = cause instanceof BaseError && cause.walk(isNoAnswer) !== null;
    throw isNone ? new ClientError({ code: "CLIENT_TOKEN_UNKNOWN", token }, { cause }) : cause;
  });
}

const noAnswers = [ContractFunctionZeroDataError, ContractFunctionRevertedError, AbiDecodingDataSizeTooSmallError];
const isNoAnswer = (error: unknown) => noAnswers.some((kind) => error instanceof kind);

export async function balanceShort(
  client: LeatClient,
  token: Address,
  wanted: bigint,
  found: bigint,
): Promise<ClientError> {
  return new ClientError({ code: "CLIENT_BALANCE_SHORT", ...(await nameToken(client, token)), wanted, found });
}

/**
 * Moves `amount` base units into the pool of `account` (default: the caller's), allowing the escrow first if needed.
 * @throws CLIENT_CONTRACT_ABSENT before anything is allowed, CLIENT_BALANCE_SHORT
 */
export async function deposit(
  client: LeatClient,
  input: { readonly token: Address; readonly amount: bigint; readonly account?: Address },
): Promise<Done> {
  const { publicClient, deployment } = client;
  const { token, amount } = input;
  const owner = addressOf(client);
  await checkContracts(client, ["escrow"]);
  const erc20 = { address: token, abi: erc20Abi } as const;
  const [found, allowed] = await Promise.all([
    publicClient.readContract({ ...erc20, functionName: "balanceOf", args: [owner] }),
    publicClient.readContract({ ...erc20, functionName: "allowance", args: [owner, deployment.escrow] }),
  ]);
  if (found < amount) throw await balanceShort(client, token, amount, found);
  if (allowed < amount) {
    await write(client, { ...erc20, functionName: "approve", args: [deployment.escrow, amount] });
  }
  return callEscrow(client, token, "deposit", [token, input.account ?? owner, amount]);
}

export interface ReserveInput {
  readonly payee: Address;
  readonly token: Address;
  readonly amount: bigint;
  /** The cluster in whose account's name the caller acts; its owner or a balancer key may. */
  readonly asCluster?: bigint;
}

/** Promises part of the pool to one payee, on the channel of hub mode. @throws CLIENT_POOL_SHORT */
export function reserve(client: LeatClient, input: ReserveInput): Promise<Done> {
  const { asCluster = 0n, payee, token, amount } = input;
  return callEscrow(client, token, "reserve", [asCluster, payee, token, 0n, 0, amount]);
}

/** Starts to take part of a reserve back; an increase restarts the wait for all of it. @throws CLIENT_RESERVE_SHORT */
export function thaw(client: LeatClient, input: ReserveInput): Promise<Done> {
  const { asCluster = 0n, payee, token, amount } = input;
  return callEscrow(client, token, "thaw", [asCluster, payee, token, 0n, 0, amount]);
}

/** Returns all that thaws to the reserve. @throws CLIENT_THAW_NONE */
export function cancelThaw(client: LeatClient, input: Omit<ReserveInput, "amount">): Promise<Done> {
  return callEscrow(client, input.token, "cancelThaw", [input.asCluster ?? 0n, input.payee, input.token, 0n, 0]);
}

/** Moves what has thawed into the pool. @throws CLIENT_THAW_RUNNING, CLIENT_THAW_NONE */
export function release(client: LeatClient, input: Omit<ReserveInput, "amount">): Promise<Done> {
  return callEscrow(client, input.token, "release", [input.asCluster ?? 0n, input.payee, input.token, 0n, 0]);
}

/**
 * Sends part of the pool to `to` (default: the caller). For a cluster only its owner may.
 * @throws CLIENT_POOL_SHORT, CLIENT_RECIPIENT_KEYLESS
 */
export async function withdraw(
  client: LeatClient,
  input: { readonly token: Address; readonly amount: bigint; readonly to?: Address; readonly asCluster?: bigint },
): Promise<Done> {
  const to = input.to ?? addressOf(client);
  await assertRecipient(client, to);
  return callEscrow(client, input.token, "withdraw", [input.asCluster ?? 0n, input.token, input.amount, to]);
}

export interface Balances {
  readonly token: Address;
  readonly decimals: number;
  /** In the account's own hands. */
  readonly wallet: bigint;
  /** In the escrow, promised to nobody. */
  readonly pool: bigint;
}

export async function getBalances(client: LeatClient, token: Address, account?: Address): Promise<Balances> {
  const owner = account ?? addressOf(client);
  const { publicClient, deployment } = client;
  const [decimals, wallet, pool] = await Promise.all([
    getDecimals(client, token),
    publicClient.readContract({ address: token, abi: erc20Abi, functionName: "balanceOf", args: [owner] }),
    publicClient.readContract({
      address: deployment.escrow,
      abi: paymentEscrowAbi,
      functionName: "poolOf",
      args: [owner, token],
    }),
  ]);
  return { token, decimals, wallet, pool };
}

export interface CollectStatus {
  readonly channel: Channel;
  readonly channelId: Hex;
  readonly collected: bigint;
  readonly reserve: bigint;
  readonly thawing: bigint;
  /** Seconds since 1970; 0 while nothing thaws. */
  readonly thawEndsAt: bigint;
}

/** What the escrow holds of a channel of hub mode. */
export async function getCollectStatus(
  client: LeatClient,
  input: { readonly payer: Address; readonly payee: Address; readonly token: Address },
): Promise<CollectStatus> {
  const channel = hubChannel(toAddress(input.payer), toAddress(input.payee), toAddress(input.token));
  return readChannel(client, channelId(channel), channel);
}

/** What an account ever promised, as it stands now, channel by channel and the oldest first. */
export async function listReserves(client: LeatClient, payer: Address): Promise<CollectStatus[]> {
  const { publicClient, deployment } = client;
  const logs = await publicClient.getContractEvents({
    address: deployment.escrow,
    abi: paymentEscrowAbi,
    eventName: "Reserved",
    args: { payer },
    fromBlock: deployment.deployedAtBlock,
    strict: true,
  });
  const channels = new Map(
    logs.map(({ args: { channel, payee, token, cluster, clusterPpm } }): [Hex, Channel] => [
      channel,
      { payer, payee: toAddress(payee), token: toAddress(token), cluster, clusterPpm },
    ]),
  );
  return Promise.all([...channels].map(([id, channel]) => readChannel(client, id, channel)));
}

async function readChannel(client: LeatClient, id: Hex, channel: Channel): Promise<CollectStatus> {
  const { collected, reserve, thawing, thawEndsAt } = await client.publicClient.readContract({
    address: client.deployment.escrow,
    abi: paymentEscrowAbi,
    functionName: "channelOf",
    args: [id],
  });
  return { channel, channelId: id, collected, reserve, thawing, thawEndsAt: BigInt(thawEndsAt) };
}

export interface Collection {
  readonly channelId: Hex;
  readonly payer: Address;
  readonly payee: Address;
  readonly token: Address;
  /** By this transaction. */
  readonly amount: bigint;
  /** In all until then. */
  readonly collected: bigint;
  readonly transaction: Hex;
  readonly blockNumber: bigint;
}

/** Everything that was ever collected, from the escrow's events, in order. */
export async function listCollections(
  client: LeatClient,
  filter: { readonly payer?: Address; readonly payee?: Address } = {},
): Promise<Collection[]> {
  const range = {
    address: client.deployment.escrow,
    abi: paymentEscrowAbi,
    fromBlock: client.deployment.deployedAtBlock,
    toBlock: "latest",
    strict: true,
  } as const;
  const reserved = await client.publicClient.getContractEvents({ ...range, eventName: "Reserved", args: filter });
  const parties = new Map(
    reserved.map(({ args: { channel, payer, payee, token } }) => [
      channel,
      { payer: toAddress(payer), payee: toAddress(payee), token: toAddress(token) },
    ]),
  );
  const isFiltered = filter.payer !== undefined || filter.payee !== undefined;
  // An empty list of channels would ask for all.
  if (parties.size === 0) return [];
  const collected = await client.publicClient.getContractEvents({
    ...range,
    eventName: "Collected",
    args: isFiltered ? { channel: [...parties.keys()] } : {},
  });
  const totals = new Map<Hex, bigint>();
  return collected.flatMap(({ args: { channel, collected: total }, transactionHash, blockNumber }) => {
    const known = parties.get(channel);
    if (known === undefined) return [];
    const amount = total - (totals.get(channel) ?? 0n);
    totals.set(channel, total);
    const place = { transaction: transactionHash, blockNumber };
    return [{ channelId: channel, ...known, amount, collected: total, ...place }];
  });
}
