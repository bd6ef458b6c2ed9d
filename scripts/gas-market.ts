import { clusterRegistryAbi } from "../sdk/protocol/abi/cluster-registry.ts";
import { developmentTokenAbi } from "../sdk/protocol/abi/development-token.ts";
import { operatorRegistryAbi } from "../sdk/protocol/abi/operator-registry.ts";
import { paymentEscrowAbi } from "../sdk/protocol/abi/payment-escrow.ts";
import { createDomain } from "../sdk/protocol/eip712.ts";
import { type Address, type Hex, toAddress, zeroAddress } from "../sdk/protocol/hex.ts";
import { permitTypes } from "../sdk/protocol/permit.ts";
import {
  balancerPossessionStructure,
  nodePossessionStructure,
  signerPossessionStructure,
} from "../sdk/protocol/signed.ts";
import { nobleStatements, toCompactSignature } from "../sdk/protocol/statements.ts";
import { keyOf, type LocalChain, send, type Wallet } from "./deployment/local-chain.ts";

/** Operators, payers and a cluster on a local chain, for measuring what their transactions cost. */

const never = 2n ** 40n;
const lpt = 10n ** 18n;
export const clusterOwner = 9_000;
export const balancerKey = 9_001;
/** What one voucher adds, in USDC base units: an amount with all its low digits, as real ones have. */
export const step = 1_234_567n;

export async function joinAs(chain: LocalChain, index: number, pushPayouts: boolean): Promise<bigint> {
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
    types: permitTypes,
    primaryType: "Permit",
    message: { owner, spender: chain.deployment.operatorRegistry, value, nonce: 0n, deadline: never },
  });
  const word = (at: number) => `0x${signature.slice(2 + 64 * at, 66 + 64 * at)}` as Hex;
  return { deadline: never, v: Number.parseInt(signature.slice(130), 16), r: word(0), s: word(1) };
}

export async function createCluster(chain: LocalChain): Promise<void> {
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
export async function allot(chain: LocalChain, index: number, payee: Address, key: number): Promise<void> {
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

export async function fundPayer(chain: LocalChain, index: number, payee: Address): Promise<void> {
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

export async function mint(chain: LocalChain, from: Wallet, token: Address, to: Hex, amount: bigint): Promise<void> {
  await send(chain, from, { address: token, abi: developmentTokenAbi, functionName: "mint", args: [to, amount] });
}
