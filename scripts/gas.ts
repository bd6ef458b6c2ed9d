import { fileURLToPath } from "node:url";
import { developmentTokenAbi } from "../sdk/protocol/abi/development-token.ts";
import { paymentEscrowAbi } from "../sdk/protocol/abi/payment-escrow.ts";
import { type Channel, channelId, hubChannel, packTotal } from "../sdk/protocol/channel.ts";
import { clusterAccountOf } from "../sdk/protocol/cluster-account.ts";
import { createDomain } from "../sdk/protocol/eip712.ts";
import { type Address, toAddress, zeroHash } from "../sdk/protocol/hex.ts";
import { type Voucher, voucherStructure } from "../sdk/protocol/signed.ts";
import { nobleStatements, toCompactSignature } from "../sdk/protocol/statements.ts";
import { keyOf, type LocalChain, openLocalChain, send } from "./deployment/local-chain.ts";
import { allot, balancerKey, clusterOwner, createCluster, fundPayer, joinAs, mint, step } from "./gas-market.ts";

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
const allottedKey = 9_002;
/** Buyers, and as many members, of one `collectFor`. */
const half = 20;

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

/** A cluster's 20 buyers and 20 members, all within reserve, in one transaction. */
async function measureCollectFor(chain: LocalChain): Promise<number> {
  const { escrow, tokens } = chain.deployment;
  const usdc = toAddress(tokens.USDC);
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
  const { wallet: submitter } = await chain.wallet(8_000);
  const collectOnce = async (seq: bigint) => {
    const fromBuyers = await Promise.all(
      buyers.map(async (index) => {
        const payer = nobleStatements.createSigner(keyOf(index)).address;
        return { payer, ...(await signClaim(chain, index, hubChannel(payer, account, usdc), seq)) };
      }),
    );
    const toMembers = await Promise.all(
      members.map(async (payee) => ({
        payee,
        ...(await signClaim(chain, balancerKey, hubChannel(account, payee, usdc), seq)),
      })),
    );
    const args = [1n, tokens.USDC, fromBuyers, toMembers];
    return (await send(chain, submitter, { ...funds, functionName: "collectFor", args })).gasUsed;
  };
  await collectOnce(1n);
  const gas = await collectOnce(2n);
  for (const payee of members) {
    const id = channelId(hubChannel(account, payee, usdc));
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

async function collect(
  chain: LocalChain,
  payee: Address,
  payers: number[],
  round: bigint,
  allottedTo?: number,
): Promise<bigint> {
  const { escrow, tokens } = chain.deployment;
  const usdc = toAddress(tokens.USDC);
  const claims = await Promise.all(
    payers.map(async (index) => {
      const payer = nobleStatements.createSigner(keyOf(index)).address;
      return { payer, ...(await signClaim(chain, allottedTo ?? index, hubChannel(payer, payee, usdc), round)) };
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

/** The voucher number `seq` of a channel, each over one step more than the last. */
async function signClaim(chain: LocalChain, key: number, channel: Channel, seq: bigint) {
  // A hash, as a real root is: bytes of input that are zero would be cheaper.
  const usageRoot = channelId(channel);
  const voucher: Voucher = { ...channel, cumulative: seq * step, seq, usageRoot };
  const domain = createDomain(chain.deployment.chainId, chain.deployment.escrow);
  const signature = await nobleStatements.createSigner(keyOf(key)).sign(voucherStructure, domain, voucher);
  return { total: packTotal(voucher), usageRoot, ...toCompactSignature(signature) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(`${JSON.stringify(await measureGas(), null, 2)}\n`);
}
