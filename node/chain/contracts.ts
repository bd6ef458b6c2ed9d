import type { Allotment } from "@leat/node/metering/allotment.ts";
import { clusterRegistryAbi } from "@leat/sdk/protocol/abi/cluster-registry.ts";
import { operatorRegistryAbi } from "@leat/sdk/protocol/abi/operator-registry.ts";
import { paymentEscrowAbi } from "@leat/sdk/protocol/abi/payment-escrow.ts";
import { packTotal } from "@leat/sdk/protocol/channel.ts";
import type { Deployment } from "@leat/sdk/protocol/deployment.ts";
import { type Address, type Hex, toAddress, zeroAddress } from "@leat/sdk/protocol/hex.ts";
import type { Voucher } from "@leat/sdk/protocol/signed.ts";
import { type Signed, toCompactSignature } from "@leat/sdk/protocol/statements.ts";
import { erc20Abi, type PublicClient } from "viem";
import type { ContractCall } from "./sender.ts";
import { splitSignature } from "./token-authorizations.ts";

/** What the escrow holds of one channel, base units. */
export interface EscrowChannel {
  readonly collected: bigint;
  readonly reserve: bigint;
  readonly thawing: bigint;
  /** Seconds since 1970 at which what thaws can be taken back; 0 while nothing thaws. */
  readonly thawEndsAt: bigint;
}

/** How long a voucher counts once its reserve thaws or its allotted signer has ended, and once its balancer has, seconds. */
export interface ThawPeriods {
  readonly ofReserves: number;
  readonly ofBalancers: number;
}

/** Their answers come back as if they were code of a contract: nodes allow 24,576 bytes of it, and each takes 320. */
const STAKES_AT_ONCE = 60;
/** Selector and one word. */
const STAKE_CALL_BYTES = 36;

/** Times of blocks that are remembered: a few hundred KB. */
const MAX_BLOCK_TIMES = 10_000;

/** Typed reads of the contracts. `blockNumber` asks for the state as of that block. */
export class ContractReader {
  readonly #client: PublicClient;
  readonly #deployment: Deployment;
  readonly #decimals = new Map<Address, number>();
  #thawPeriods: ThawPeriods | undefined;
  readonly #blockTimes = new Map<bigint, bigint>();

  constructor(client: PublicClient, deployment: Deployment) {
    this.#client = client;
    this.#deployment = deployment;
  }

  async channel(id: Hex, blockNumber?: bigint): Promise<EscrowChannel> {
    const address = this.#deployment.escrow;
    const call = { address, abi: paymentEscrowAbi, functionName: "channelOf", args: [id], blockNumber } as const;
    const { collected, reserve, thawing, thawEndsAt } = await this.#client.readContract(call);
    return { collected, reserve, thawing, thawEndsAt: BigInt(thawEndsAt) };
  }

  /** What a key may sign on a channel; undefined where it was never allotted. */
  async allotment(id: Hex, signer: Address, blockNumber?: bigint): Promise<Allotment | undefined> {
    const address = this.#deployment.escrow;
    const args = [id, signer] as const;
    const call = { address, abi: paymentEscrowAbi, functionName: "allotmentOf", args, blockNumber } as const;
    const [cap, validUntil] = await this.#client.readContract(call);
    return validUntil === 0n ? undefined : { cap, validUntil };
  }

  /** Seconds since 1970 of a block. Asked once of each: only confirmed blocks are asked for. */
  async blockTime(blockNumber: bigint): Promise<bigint> {
    const known = this.#blockTimes.get(blockNumber);
    if (known !== undefined) return known;
    const { timestamp } = await this.#client.getBlock({ blockNumber });
    this.#blockTimes.set(blockNumber, timestamp);
    if (this.#blockTimes.size > MAX_BLOCK_TIMES) this.#blockTimes.delete(this.#blockTimes.keys().next().value!);
    return timestamp;
  }

  pool(account: Address, token: Address): Promise<bigint> {
    const address = this.#deployment.escrow;
    return this.#client.readContract({
      address,
      abi: paymentEscrowAbi,
      functionName: "poolOf",
      args: [account, token],
    });
  }

  async operatorOf(node: Address): Promise<Address> {
    const address = this.#deployment.operatorRegistry;
    const call = { address, abi: operatorRegistryAbi, functionName: "operatorOf", args: [node] } as const;
    return toAddress(await this.#client.readContract(call));
  }

  /** Who receives what a node earns; undefined for a key that no operator added. */
  async beneficiaryOf(node: Address): Promise<Address | undefined> {
    const address = this.#deployment.operatorRegistry;
    const call = { address, abi: operatorRegistryAbi, functionName: "payoutOf", args: [node] } as const;
    const beneficiary = toAddress((await this.#client.readContract(call))[1]);
    return beneficiary === zeroAddress ? undefined : beneficiary;
  }

  /** What each of them and its sponsors together have at stake, read in few calls however many they are. */
  async stakes(
    operators: readonly Address[],
    blockNumber: bigint,
  ): Promise<Map<Address, { stake: bigint; thawing: bigint }>> {
    if (operators.length === 0) return new Map();
    const address = this.#deployment.operatorRegistry;
    const found = await this.#client.multicall({
      contracts: operators.map(
        (operator) => ({ address, abi: operatorRegistryAbi, functionName: "stakeOf", args: [operator] }) as const,
      ),
      blockNumber,
      allowFailure: false,
      // Needs no contract of somebody else's on the chain.
      deployless: true,
      batchSize: STAKES_AT_ONCE * STAKE_CALL_BYTES,
    });
    return new Map(
      operators.map((operator, at) => {
        const { stake, thawing, sponsored, sponsoredThawing } = found[at]!;
        return [operator, { stake: stake + sponsored, thawing: thawing + sponsoredThawing }];
      }),
    );
  }

  /** They never change. */
  async thawPeriods(): Promise<ThawPeriods> {
    if (this.#thawPeriods !== undefined) return this.#thawPeriods;
    const { escrow, clusterRegistry } = this.#deployment;
    const [ofReserves, ofBalancers] = await Promise.all([
      this.#client.readContract({ address: escrow, abi: paymentEscrowAbi, functionName: "thawPeriod" }),
      this.#client.readContract({ address: clusterRegistry, abi: clusterRegistryAbi, functionName: "thawPeriod" }),
    ]);
    this.#thawPeriods = { ofReserves: Number(ofReserves), ofBalancers: Number(ofBalancers) };
    return this.#thawPeriods;
  }

  async decimals(token: Address): Promise<number> {
    const known = this.#decimals.get(token);
    if (known !== undefined) return known;
    const found = await this.#client.readContract({ address: token, abi: erc20Abi, functionName: "decimals" });
    this.#decimals.set(token, found);
    return found;
  }
}

/**
 * A claim that its reserve covered when the gas was estimated is paid from the pool and the thawing part where its payer
 * thaws all before the block: 31,800 more for the first claim of a channel, and an event where even that falls short.
 * Without it a payer could make the transaction run out of gas.
 */
const SPARE_GAS_PER_CLAIM = 40_000n;

/** A voucher that is to be collected. `payerCluster`, `payeeCluster`: whose account it is; 0 for an account of its own. */
export interface Collectable {
  readonly voucher: Signed<Voucher>;
  readonly payerCluster: bigint;
  readonly payeeCluster: bigint;
}

/** Vouchers of one payee, kind of payer, token and share form a group: the escrow answers what each group was paid. */
export function collectGroups(collectables: readonly Collectable[]): Collectable[][] {
  const groups = Map.groupBy(collectables, ({ voucher: { value }, payeeCluster, payerCluster }) =>
    [value.payee, payeeCluster, payerCluster, value.token, value.cluster, value.clusterPpm].join("/"),
  );
  return [...groups.values()];
}

/** One transaction for all, group by group. */
export function collectCall(deployment: Deployment, collectables: readonly Collectable[]) {
  const args = collectGroups(collectables).map((group) => {
    const { payee, token, cluster, clusterPpm } = group[0]!.voucher.value;
    return {
      payee,
      payeeCluster: group[0]!.payeeCluster,
      payerCluster: group[0]!.payerCluster,
      token,
      cluster,
      clusterPpm,
      claims: group.map(({ voucher }) => ({ payer: voucher.value.payer, ...claimOf(voucher) })),
    };
  });
  return {
    address: deployment.escrow,
    abi: paymentEscrowAbi,
    functionName: "collect",
    args: [args],
    spareGas: SPARE_GAS_PER_CLAIM * BigInt(collectables.length),
  } as const satisfies ContractCall<typeof paymentEscrowAbi, "collect">;
}

/** An authorised top-up of the channel from `payer` to `payee`, which anybody may submit. */
export function reserveWithAuthorizationCall(
  deployment: Deployment,
  topUp: {
    readonly payer: Address;
    readonly payee: Address;
    readonly token: Address;
    readonly value: bigint;
    readonly validAfter: bigint;
    readonly validBefore: bigint;
    readonly salt: Hex;
    readonly signature: Hex;
  },
) {
  const { payer, payee, token, value, validAfter, validBefore, salt, signature } = topUp;
  const authorization = { from: payer, amount: value, validAfter, validBefore, salt, ...splitSignature(signature) };
  return {
    address: deployment.escrow,
    abi: paymentEscrowAbi,
    functionName: "reserveWithAuthorization",
    args: [payee, token, 0n, 0, authorization],
  } as const satisfies ContractCall<typeof paymentEscrowAbi, "reserveWithAuthorization">;
}

/** What the escrow takes of a voucher besides its channel. */
function claimOf({ value, signature }: Signed<Voucher>) {
  return { total: packTotal(value), usageRoot: value.usageRoot, ...toCompactSignature(signature) };
}

/** Buyers first, then the members; members in rising order of payee, each once. */
export function collectForCall(
  deployment: Deployment,
  cluster: bigint,
  token: Address,
  buyers: readonly Signed<Voucher>[],
  members: readonly Signed<Voucher>[],
) {
  const rising = members.toSorted((left, right) => (left.value.payee < right.value.payee ? -1 : 1));
  return {
    address: deployment.escrow,
    abi: paymentEscrowAbi,
    functionName: "collectFor",
    args: [
      cluster,
      token,
      buyers.map((buyer) => ({ payer: buyer.value.payer, ...claimOf(buyer) })),
      rising.map((member) => ({ payee: member.value.payee, ...claimOf(member) })),
    ],
    spareGas: SPARE_GAS_PER_CLAIM * BigInt(buyers.length + members.length),
  } as const satisfies ContractCall<typeof paymentEscrowAbi, "collectFor">;
}
