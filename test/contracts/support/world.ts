import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { type Abi, decodeErrorResult, type Log, parseEventLogs, type TransactionReceipt } from "viem";
import type { DeployOptions } from "../../../scripts/deployment/contracts.ts";
import {
  buildContracts,
  keyOf,
  type LocalChain,
  openLocalChain,
  send,
  type Wallet,
} from "../../../scripts/deployment/local-chain.ts";
import { accessManagerAbi } from "../../../sdk/protocol/abi/access-manager.ts";
import { clusterRegistryAbi } from "../../../sdk/protocol/abi/cluster-registry.ts";
import { developmentTokenAbi } from "../../../sdk/protocol/abi/development-token.ts";
import { faultsAbi } from "../../../sdk/protocol/abi/faults.ts";
import { operatorRegistryAbi } from "../../../sdk/protocol/abi/operator-registry.ts";
import { paymentEscrowAbi } from "../../../sdk/protocol/abi/payment-escrow.ts";
import { packTotal } from "../../../sdk/protocol/channel.ts";
import { createDomain, type Domain } from "../../../sdk/protocol/eip712.ts";
import { type Address, type Hex, isHex, toAddress, zeroAddress, zeroHash } from "../../../sdk/protocol/hex.ts";
import {
  balancerPossessionStructure,
  nodePossessionStructure,
  type Voucher,
  voucherStructure,
} from "../../../sdk/protocol/signed.ts";
import { nobleStatements, type StatementSigner, toCompactSignature } from "../../../sdk/protocol/statements.ts";

export const never = 2n ** 40n;
export const day = 86_400n;
export const thawSeconds = 7n * day;
export const noPermit = { deadline: 0n, v: 0, r: zeroHash, s: zeroHash };

const abis = {
  operators: operatorRegistryAbi as Abi,
  clusters: clusterRegistryAbi as Abi,
  escrow: paymentEscrowAbi as Abi,
  manager: accessManagerAbi as Abi,
  faults: faultsAbi as Abi,
  token: developmentTokenAbi as Abi,
};
export type Contract = keyof typeof abis;
const allErrors = Object.values(abis).flatMap((abi) => abi.filter((item) => item.type === "error"));

export interface Actor {
  readonly wallet: Wallet;
  readonly address: Address;
  readonly signer: StatementSigner;
}

/** One channel as its payer names it. */
export interface ChannelKey {
  readonly payer: Address;
  readonly payee: Address;
  readonly token: Address;
  readonly cluster: bigint;
  readonly clusterPpm: number;
}

/** The deployed contracts with short ways to use them. `reset` brings back the state right after `openWorld`. */
export class World {
  readonly chain: LocalChain;
  readonly domain: Domain;
  #snapshot: Hex = "0x";

  constructor(chain: LocalChain) {
    this.chain = chain;
    this.domain = createDomain(chain.deployment.chainId, chain.deployment.escrow);
  }

  get usdc(): Address {
    return this.chain.deployment.tokens.USDC;
  }

  get lpt(): Address {
    return this.chain.deployment.tokens.LPT;
  }

  get governor(): Wallet {
    return this.chain.governor;
  }

  addressOf(contract: Exclude<Contract, "token">): Address {
    const { operatorRegistry, clusterRegistry, escrow, accessManager, faults = zeroAddress } = this.chain.deployment;
    return { operators: operatorRegistry, clusters: clusterRegistry, escrow, manager: accessManager, faults }[contract];
  }

  async actor(index: number): Promise<Actor> {
    const { wallet, account, key } = await this.chain.wallet(index);
    return { wallet, address: toAddress(account.address), signer: nobleStatements.createSigner(key) };
  }

  async write(
    from: Wallet,
    contract: Contract,
    functionName: string,
    args: readonly unknown[],
    at?: Address,
    gas?: bigint,
    value?: bigint,
  ) {
    const address = at ?? this.addressOf(contract as Exclude<Contract, "token">);
    const abi = [...abis[contract], ...allErrors];
    return await send(this.chain, from, { address, abi, functionName, args, gas, value });
  }

  async read<T>(contract: Contract, functionName: string, args: readonly unknown[], at?: Address): Promise<T> {
    const address = at ?? this.addressOf(contract as Exclude<Contract, "token">);
    return (await this.chain.publicClient.readContract({
      address,
      abi: abis[contract],
      functionName,
      args: [...args],
    })) as T;
  }

  /** Every event of ours in a receipt, by name. */
  events(receipt: TransactionReceipt, eventName: string) {
    const abi = [...abis.operators, ...abis.clusters, ...abis.escrow, ...abis.faults];
    return parseEventLogs({ abi, logs: receipt.logs as Log[], eventName }).map(
      (event) => event.args as unknown as Record<string, unknown>,
    );
  }

  async mark(): Promise<void> {
    this.#snapshot = await this.chain.testClient.snapshot();
  }

  async reset(): Promise<void> {
    await this.chain.testClient.revert({ id: this.#snapshot });
    await this.mark();
  }

  async now(): Promise<bigint> {
    return (await this.chain.publicClient.getBlock()).timestamp;
  }

  async wait(seconds: bigint): Promise<void> {
    await this.chain.testClient.increaseTime({ seconds: Number(seconds) });
    await this.chain.testClient.mine({ blocks: 1 });
  }

  async mint(to: Address, amount: bigint, token = this.usdc): Promise<void> {
    await this.write(this.governor, "token", "mint", [to, amount], token);
  }

  async balance(account: Address, token = this.usdc): Promise<bigint> {
    return await this.read("token", "balanceOf", [account], token);
  }

  async pool(account: Address, token = this.usdc): Promise<bigint> {
    return await this.read("escrow", "poolOf", [account, token]);
  }

  /** Mints, approves and deposits into the pool of `account`. */
  async deposit(from: Actor, amount: bigint, account = from.address, token = this.usdc) {
    await this.mint(from.address, amount, token);
    await this.write(from.wallet, "token", "approve", [this.addressOf("escrow"), amount], token);
    return await this.write(from.wallet, "escrow", "deposit", [token, account, amount]);
  }

  async reserve(
    from: Actor,
    payee: Address,
    amount: bigint,
    options: Partial<ChannelKey> & { asCluster?: bigint } = {},
  ) {
    const { asCluster = 0n, token = this.usdc, cluster = 0n, clusterPpm = 0 } = options;
    return await this.write(from.wallet, "escrow", "reserve", [asCluster, payee, token, cluster, clusterPpm, amount]);
  }

  async channel(key: ChannelKey) {
    const { payer, payee, token, cluster, clusterPpm } = key;
    const id = await this.read<Hex>("escrow", "channelIdOf", [payer, payee, token, cluster, clusterPpm]);
    type Info = { collected: bigint; reserve: bigint; thawing: bigint; thawEndsAt: bigint };
    return { id, ...(await this.read<Info>("escrow", "channelOf", [id])) };
  }

  key(payer: Address, payee: Address, options: Partial<ChannelKey> = {}): ChannelKey {
    return { payer, payee, token: this.usdc, cluster: 0n, clusterPpm: 0, ...options };
  }

  /** A voucher as the contracts take it. */
  async claim(signer: StatementSigner, key: ChannelKey, cumulative: bigint, seq = 1n) {
    const voucher: Voucher = { ...key, cumulative, seq, usageRoot: zeroHash };
    const { r, vs } = toCompactSignature(await signer.sign(voucherStructure, this.domain, voucher));
    return { payer: key.payer, payee: key.payee, total: packTotal(voucher), usageRoot: zeroHash, r, vs };
  }

  group(key: ChannelKey, claims: unknown[], clusters: { payeeCluster?: bigint; payerCluster?: bigint } = {}) {
    const { payee, token, cluster, clusterPpm } = key;
    return { payee, payeeCluster: 0n, payerCluster: 0n, token, cluster, clusterPpm, claims, ...clusters };
  }

  /** Joins with a fresh node key, the actor's index + 1,000. */
  async join(index: number, options: { pushPayouts?: boolean; cluster?: bigint; beneficiary?: Address } = {}) {
    const operator = await this.actor(index);
    const node = await this.actor(index + 1_000);
    const request = await this.joinRequest(operator, node, options);
    await this.fundStake(operator, request.stake);
    await this.write(operator.wallet, "operators", "join", [request]);
    return { operator, node };
  }

  async fundStake(operator: Actor, stake: bigint): Promise<void> {
    await this.mint(operator.address, stake, this.lpt);
    await this.write(operator.wallet, "token", "approve", [this.addressOf("operators"), stake], this.lpt);
  }

  async joinRequest(
    operator: Actor,
    node: Actor,
    options: { pushPayouts?: boolean; cluster?: bigint; beneficiary?: Address } = {},
  ) {
    return {
      stake: 1_000n * 10n ** 18n,
      permit: noPermit,
      beneficiary: options.beneficiary ?? zeroAddress,
      pushPayouts: options.pushPayouts ?? false,
      node: await this.nodeProof(operator, node),
      endpoint: "https://node.example/offer",
      cluster: options.cluster ?? 0n,
      maximumSharePpm: options.cluster === undefined ? 0 : 200_000,
    };
  }

  async nodeProof(operator: Actor, node: Actor, validUntil = never) {
    const domain = createDomain(this.chain.deployment.chainId, this.addressOf("operators"));
    const value = { operator: operator.address, node: node.address, validUntil };
    return {
      node: node.address,
      validUntil,
      ...toCompactSignature(await node.signer.sign(nodePossessionStructure, domain, value)),
    };
  }

  async balancerProof(cluster: bigint, owner: Actor, balancer: Actor, validUntil = never) {
    const domain = createDomain(this.chain.deployment.chainId, this.addressOf("clusters"));
    const value = { cluster, owner: owner.address, balancer: balancer.address, validUntil };
    const signature = await balancer.signer.sign(balancerPossessionStructure, domain, value);
    return { balancer: balancer.address, validUntil, ...toCompactSignature(signature) };
  }

  /** A cluster of `owner` with one balancer key, open, asking 10 %. */
  async createCluster(owner: Actor, balancer: Actor, sharePpm = 100_000, admission = 0) {
    const cluster = (await this.read<bigint>("clusters", "clusterCount", [])) + 1n;
    const proof = await this.balancerProof(cluster, owner, balancer);
    await this.write(owner.wallet, "clusters", "create", [
      "https://cluster.example/terms",
      0,
      admission,
      sharePpm,
      [proof],
    ]);
    return { cluster, account: toAddress(await this.read<Address>("clusters", "accountOf", [cluster])) };
  }

  /** Deploys a contract of the tests by its artifact. */
  async deploy(path: string, args: readonly unknown[] = []): Promise<Address> {
    const { abi, bytecode } = JSON.parse(
      await readFile(new URL(`../../../artifacts/contracts/${path}`, import.meta.url), "utf8"),
    );
    const hash = await this.governor.deployContract({ abi, bytecode, args: [...args] });
    const receipt = await this.chain.publicClient.waitForTransactionReceipt({ hash });
    return toAddress(receipt.contractAddress!);
  }

  async close(): Promise<void> {
    await this.chain.close();
  }
}

export async function openWorld(options: DeployOptions = {}): Promise<World> {
  // Most tests of stakes slash by themselves; the slasher is set once.
  return new World(await openLocalChain({ thawSeconds, withoutFaults: true, ...options }));
}

/** A world for one suite: opened once, brought back before every test, closed at the end. */
export function useWorld(options: DeployOptions = {}): () => World {
  let world: World | undefined;
  before(async function () {
    this.timeout(180_000);
    await buildContracts();
    world = await openWorld(options);
    await world.mark();
  });
  beforeEach(async () => await world?.reset());
  after(async () => await world?.close());
  return () => world!;
}

/** Asserts that a call reverts with the named error and, where given, these arguments. */
export async function assertReverts(
  call: Promise<unknown>,
  errorName: string,
  args?: readonly unknown[],
): Promise<void> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error !== undefined, `expected ${errorName}, but the call went through`);
  const data = revertData(error);
  if (data === undefined) throw error;
  const reverted = decodeErrorResult({ abi: allErrors, data });
  assert.equal(reverted.errorName, errorName);
  if (args === undefined) return;
  const found = ((reverted.args ?? []) as unknown[]).map((item) => {
    if (typeof item === "number") return BigInt(item);
    return typeof item === "string" ? item.toLowerCase() : item;
  });
  assert.deepEqual(found, args);
}

/** What the chain returned with a revert, from wherever in the causes the client left it. */
function revertData(error: unknown): Hex | undefined {
  let data: Hex | undefined;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const field = (cause as { data?: unknown }).data;
    const found = typeof field === "object" && field !== null ? (field as { data?: unknown }).data : field;
    if (isHex(found)) data = found;
  }
  return data;
}

export { keyOf, zeroAddress, zeroHash };
