import { fileURLToPath } from "node:url";
import { clusterRegistryAbi } from "../sdk/protocol/abi/cluster-registry.ts";
import { developmentTokenAbi } from "../sdk/protocol/abi/development-token.ts";
import { operatorRegistryAbi } from "../sdk/protocol/abi/operator-registry.ts";
import { paymentEscrowAbi } from "../sdk/protocol/abi/payment-escrow.ts";
import { channelId, hubChannel, packTotal } from "../sdk/protocol/channel.ts";
import { clusterAccountOf } from "../sdk/protocol/cluster-account.ts";
import { createDomain } from "../sdk/protocol/eip712.ts";
import { type Address, bytesToHex, type Hex, toAddress, zeroAddress, zeroHash } from "../sdk/protocol/hex.ts";
import {
  balancerPossessionStructure,
  nodePossessionStructure,
  signerPossessionStructure,
  type Voucher,
  voucherStructure,
} from "../sdk/protocol/signed.ts";
import { nobleStatements, toCompactSignature } from "../sdk/protocol/statements.ts";
import { keyOf, type LocalChain, openLocalChain, send, type Wallet } from "./deploy/local-chain.ts";

/** Gas of a transaction (receipt gasUsed; a rollup's data fee is apart). For collections: gas per voucher. */
export interface GasFigures {
  readonly collect: {
    readonly credited: PerBatch;
    /** The same, signed by a key that the payer allotted. */
    readonly creditedByAllottedSigner: PerBatch;
    readonly pushed: PerBatch;
  };
  /** Gas per party: 20 buyers pay a cluster and it pays 20 members. */
  readonly collectFor: Readonly<Record<"40", number>>;
  readonly join: number;
}
type PerBatch = Readonly<Record<"1" | "10" | "50", number>>;

const batchSizes = [1, 10, 50] as const;
const never = 2n ** 40n;
const clusterOwner = 9_000;
const balancerKey = 9_001;
const allottedKey = 9_002;
/** Buyers, and as many members, of one `collectFor`. */
const half = 20;
const lpt = 10n ** 18n;
/** What one voucher adds, in USDC base units: an amount with all its low digits, as real ones have. */
const step = 1_234_567n;

/**
 * Steady state: the second use of the same slots. Vouchers come from distinct payers to one node in USDC and are within
 * reserve, every check in; joining stakes by permit beside an operator that joined before and accepts a cluster.
 */
export async function measureGas(): Promise<GasFigures> {
  const chain = await openLocalChain();
  try {
    await createCluster(chain);
    await joinAs(chain, 1, false);
    await joinAs(chain, 2, true);
    const joined = await joinAs(chain, 3, false);
    return {
      collect: {
        credited: await measureBatches(chain, 1, 100),
        creditedByAllottedSigner: await measureBatches(chain, 1, 300, allottedKey),
        pushed: await measureBatches(chain, 2, 200),
      },
      collectFor: { "40": await measureCollectFor(chain) },
      join: Number(joined),
    };
  } finally {
    await chain.close();
  }
}

async function joinAs(chain: LocalChain, index: number, pushPayouts: boolean): Promise<bigint> {
  const { deployment } = chain;
  const { wallet, account } = await chain.wallet(index);
  const stake = 1_000n * lpt;
  await mint(chain, wallet, deployment.tokens.LPT, account.address, 2n * stake);
  const node = nobleStatements.createSigner(keyOf(index + 1_000));
  const registryDomain = createDomain(deployment.chainId, deployment.operatorRegistry);
  const possession = { operator: toAddress(account.address), node: node.address, validUntil: never };
  const proof = toCompactSignature(await node.sign(nodePossessionStructure, registryDomain, possession));
  const permit = await signPermit(chain, wallet, stake);
  const receipt = await send(chain, wallet, {
    address: deployment.operatorRegistry,
    abi: operatorRegistryAbi,
    functionName: "join",
    args: [
      {
        stake,
        permit,
        beneficiary: zeroAddress,
        pushPayouts,
        node: { node: node.address, validUntil: never, ...proof },
        endpoint: "https://node.example/offer",
        cluster: 1n,
        maximumSharePpm: 200_000,
      },
    ],
  });
  return receipt.gasUsed;
}

async function signPermit(chain: LocalChain, wallet: Wallet, value: bigint) {
  const { LPT } = chain.deployment.tokens;
  const owner = wallet.account.address;
  const signature = await wallet.signTypedData({
    account: wallet.account,
    domain: { name: "Livepeer Token", version: "1", chainId: chain.deployment.chainId, verifyingContract: LPT },
    types: {
      Permit: [
        { name: "owner", type: "address" },
        { name: "spender", type: "address" },
        { name: "value", type: "uint256" },
        { name: "nonce", type: "uint256" },
        { name: "deadline", type: "uint256" },
      ],
    },
    primaryType: "Permit",
    message: { owner, spender: chain.deployment.operatorRegistry, value, nonce: 0n, deadline: never },
  });
  const word = (at: number) => `0x${signature.slice(2 + 64 * at, 66 + 64 * at)}` as Hex;
  return { deadline: never, v: Number.parseInt(signature.slice(130), 16), r: word(0), s: word(1) };
}

async function createCluster(chain: LocalChain): Promise<void> {
  const { wallet, account } = await chain.wallet(clusterOwner);
  const balancer = nobleStatements.createSigner(keyOf(balancerKey));
  const domain = createDomain(chain.deployment.chainId, chain.deployment.clusterRegistry);
  const owner = toAddress(account.address);
  const value = { cluster: 1n, owner, balancer: balancer.address, validUntil: never };
  const proof = toCompactSignature(await balancer.sign(balancerPossessionStructure, domain, value));
  await send(chain, wallet, {
    address: chain.deployment.clusterRegistry,
    abi: clusterRegistryAbi,
    functionName: "create",
    args: [
      "https://cluster.example/terms",
      0,
      0,
      100_000,
      [{ balancer: balancer.address, validUntil: never, ...proof }],
    ],
  });
}

/** Lets one key sign for a payer on its channel to `payee`, up to more than is ever collected here. */
async function allot(chain: LocalChain, index: number, payee: Address, key: number): Promise<void> {
  const { escrow, tokens, chainId } = chain.deployment;
  const { wallet, account } = await chain.wallet(index);
  const signer = nobleStatements.createSigner(keyOf(key));
  const value = { payer: toAddress(account.address), signer: signer.address, validUntil: never };
  const signature = await signer.sign(signerPossessionStructure, createDomain(chainId, escrow), value);
  const proof = { signer: signer.address, validUntil: never, ...toCompactSignature(signature) };
  const { timestamp } = await chain.publicClient.getBlock();
  await send(chain, wallet, {
    address: escrow,
    abi: paymentEscrowAbi,
    functionName: "allotSigner",
    args: [payee, tokens.USDC, 0n, 0, 100n * step, timestamp + 86_400n, proof],
  });
}

/** A cluster's 20 buyers and 20 members, all within reserve, in one transaction. */
async function measureCollectFor(chain: LocalChain): Promise<number> {
  const { escrow, tokens, chainId } = chain.deployment;
  const account = clusterAccountOf(1n);
  const { wallet: owner, account: ownerAccount } = await chain.wallet(clusterOwner);
  const funds = { address: escrow, abi: paymentEscrowAbi };
  const amount = 100n * step;
  await mint(chain, owner, tokens.USDC, ownerAccount.address, BigInt(half) * amount);
  await send(chain, owner, {
    address: tokens.USDC,
    abi: developmentTokenAbi,
    functionName: "approve",
    args: [escrow, BigInt(half) * amount],
  });
  await send(chain, owner, { ...funds, functionName: "deposit", args: [tokens.USDC, account, BigInt(half) * amount] });
  const buyers = Array.from({ length: half }, (_, index) => 500 + index);
  const members: Address[] = [];
  for (let index = 0; index < half; index += 1) {
    await joinAs(chain, 20 + index, false);
    const member = nobleStatements.createSigner(keyOf(20 + index + 1_000)).address;
    await send(chain, owner, { ...funds, functionName: "reserve", args: [1n, member, tokens.USDC, 0n, 0, amount] });
    await fundPayer(chain, buyers[index]!, account);
    members.push(member);
  }
  members.sort();
  const domain = createDomain(chainId, escrow);
  const claim = async (key: number, payer: Address, payee: Address, seq: bigint) => {
    const voucher: Voucher = {
      ...hubChannel(payer, payee, toAddress(tokens.USDC)),
      cumulative: seq * step,
      seq,
      usageRoot: bytesToHex(keyOf(key).fill(0xa7, 0, 28)),
    };
    const signer = nobleStatements.createSigner(keyOf(key));
    const { r, vs } = toCompactSignature(await signer.sign(voucherStructure, domain, voucher));
    return { total: packTotal(voucher), usageRoot: voucher.usageRoot, r, vs };
  };
  const { wallet: submitter } = await chain.wallet(8_000);
  const collectOnce = async (seq: bigint) => {
    const fromBuyers = await Promise.all(
      buyers.map(async (index) => {
        const payer = nobleStatements.createSigner(keyOf(index)).address;
        return { payer, ...(await claim(index, payer, account, seq)) };
      }),
    );
    const toMembers = await Promise.all(
      members.map(async (payee) => ({ payee, ...(await claim(balancerKey, account, payee, seq)) })),
    );
    const args = [1n, tokens.USDC, fromBuyers, toMembers];
    return (await send(chain, submitter, { ...funds, functionName: "collectFor", args })).gasUsed;
  };
  await collectOnce(1n);
  const gas = await collectOnce(2n);
  for (const payee of members) {
    const id = channelId(hubChannel(account, payee, toAddress(tokens.USDC)));
    const held = await chain.publicClient.readContract({ ...funds, functionName: "channelOf", args: [id] });
    // A batch that paid nothing would be cheap: its gas must not be reported.
    if (held.collected !== 2n * step) throw new Error(`Member was paid ${held.collected}, expected ${2n * step}.`);
  }
  return Math.ceil(Number(gas) / (2 * half));
}

async function measureBatches(
  chain: LocalChain,
  operator: number,
  firstPayer: number,
  allottedTo?: number,
): Promise<PerBatch> {
  const payee = nobleStatements.createSigner(keyOf(operator + 1_000)).address;
  const figures: Record<string, number> = {};
  let rounds = 0n;
  const largest = batchSizes[batchSizes.length - 1]!;
  for (let index = 0; index < largest; index += 1) {
    await fundPayer(chain, firstPayer + index, payee);
    if (allottedTo !== undefined) await allot(chain, firstPayer + index, payee, allottedTo);
  }
  const payers = Array.from({ length: largest }, (_, index) => firstPayer + index);
  await collect(chain, payee, payers, ++rounds, allottedTo);
  for (const size of batchSizes) {
    const gas = await collect(chain, payee, payers.slice(0, size), ++rounds, allottedTo);
    figures[String(size)] = Math.ceil(Number(gas) / size);
  }
  return figures as PerBatch;
}

async function fundPayer(chain: LocalChain, index: number, payee: Address): Promise<void> {
  const { escrow, tokens } = chain.deployment;
  const { wallet, account } = await chain.wallet(index);
  const amount = 100n * step;
  await mint(chain, wallet, tokens.USDC, account.address, amount);
  const usdc = { address: tokens.USDC, abi: developmentTokenAbi };
  const funds = { address: escrow, abi: paymentEscrowAbi };
  await send(chain, wallet, { ...usdc, functionName: "approve", args: [escrow, amount] });
  await send(chain, wallet, { ...funds, functionName: "deposit", args: [tokens.USDC, account.address, amount] });
  await send(chain, wallet, { ...funds, functionName: "reserve", args: [0n, payee, tokens.USDC, 0n, 0, amount] });
}

async function mint(chain: LocalChain, from: Wallet, token: Address, to: Hex, amount: bigint): Promise<void> {
  await send(chain, from, { address: token, abi: developmentTokenAbi, functionName: "mint", args: [to, amount] });
}

async function collect(
  chain: LocalChain,
  payee: Address,
  payers: number[],
  round: bigint,
  allottedTo?: number,
): Promise<bigint> {
  const { escrow, tokens, chainId } = chain.deployment;
  const domain = createDomain(chainId, escrow);
  const claims = await Promise.all(
    payers.map(async (index) => {
      const signer = nobleStatements.createSigner(keyOf(allottedTo ?? index));
      const voucher: Voucher = {
        payer: nobleStatements.createSigner(keyOf(index)).address,
        payee,
        token: tokens.USDC,
        cluster: 0n,
        clusterPpm: 0,
        cumulative: round * step,
        seq: round,
        usageRoot: bytesToHex(keyOf(index).fill(0xa7, 0, 28)),
      };
      const { r, vs } = toCompactSignature(await signer.sign(voucherStructure, domain, voucher));
      const { payer, cumulative, seq, usageRoot } = voucher;
      return { payer, total: packTotal({ cumulative, seq }), usageRoot, r, vs };
    }),
  );
  const group = { payee, payeeCluster: 0n, payerCluster: 0n, token: tokens.USDC, cluster: 0n, clusterPpm: 0, claims };
  const { wallet } = await chain.wallet(8_000);
  const { gasUsed } = await send(chain, wallet, {
    address: escrow,
    abi: paymentEscrowAbi,
    functionName: "collect",
    args: [[group]],
  });
  // A batch that paid nothing would be cheap: its gas must not be reported.
  const channel = await chain.publicClient.readContract({
    address: escrow,
    abi: paymentEscrowAbi,
    functionName: "channelIdOf",
    args: [claims[0]?.payer ?? zeroHash, payee, tokens.USDC, 0n, 0],
  });
  const held = await chain.publicClient.readContract({
    address: escrow,
    abi: paymentEscrowAbi,
    functionName: "channelOf",
    args: [channel],
  });
  // A batch that paid nothing would be cheap: its gas must not be reported.
  if (held.collected !== round * step) throw new Error(`Collected ${held.collected}, expected ${round * step}.`);
  return gasUsed;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(`${JSON.stringify(await measureGas(), null, 2)}\n`);
}
