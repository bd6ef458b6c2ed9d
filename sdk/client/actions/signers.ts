import { paymentEscrowAbi } from "../../protocol/abi/payment-escrow.ts";
import { channelId, hubChannel } from "../../protocol/channel.ts";
import { createDomain } from "../../protocol/eip712.ts";
import { type Address, type Hex, toAddress } from "../../protocol/hex.ts";
import { signerPossessionStructure } from "../../protocol/signed.ts";
import { type StatementSigner, toCompactSignature } from "../../protocol/statements.ts";
import type { LeatClient } from "../create-client.ts";
import { callEscrow } from "../escrow-call.ts";
import { type AccountSigner, toStatementSigner } from "../signer.ts";
import { soon } from "../token-signatures.ts";
import { addressOf, type Done } from "../transaction.ts";

/** A key's consent to sign vouchers of one payer, as the escrow takes it. */
export interface SignerProof {
  readonly signer: Address;
  /** Seconds since 1970 until which the escrow takes the proof; the allotment has an end of its own. */
  readonly validUntil: bigint;
  readonly r: Hex;
  readonly vs: Hex;
}

/** The channel of hub mode on which a key may sign. */
export interface AllottedChannel {
  readonly payee: Address;
  readonly token: Address;
}

/** A key agrees to sign for `payer`. The key itself stays where it is: the proof travels. */
export async function proveSigner(
  client: Pick<LeatClient, "deployment" | "publicClient">,
  key: StatementSigner | AccountSigner,
  payer: Address,
  validForSeconds?: bigint,
): Promise<SignerProof> {
  const { chainId, escrow } = client.deployment;
  const signer = toStatementSigner(key);
  const value = { payer, signer: signer.address, validUntil: await soon(client, validForSeconds) };
  const signature = await signer.sign(signerPossessionStructure, createDomain(chainId, escrow), value);
  return { signer: signer.address, validUntil: value.validUntil, ...toCompactSignature(signature) };
}

export interface AllotInput extends AllottedChannel {
  readonly proof: SignerProof;
  /** The channel's total that the key's vouchers may reach, base units: absolute, not what it may add. */
  readonly cap: bigint;
  /** Seconds since 1970; its vouchers stay collectable one thaw longer. */
  readonly validUntil: bigint;
}

/** Lets a key sign vouchers on the caller's channel. While its vouchers count, the cap can only rise. @throws CLIENT_CAP_FELL */
export function allotSigner(client: LeatClient, input: AllotInput): Promise<Done> {
  const { payee, token, cap, validUntil, proof } = input;
  return callEscrow(client, token, "allotSigner", [payee, token, 0n, 0, cap, validUntil, proof]);
}

/** Ends an allotment now. What the key signed stays collectable for one thaw, up to its cap. */
export function revokeSigner(client: LeatClient, input: AllottedChannel & { readonly signer: Address }): Promise<Done> {
  const { payee, token, signer } = input;
  return callEscrow(client, token, "revokeSigner", [payee, token, 0n, 0, signer]);
}

export interface AllotmentStatus extends AllottedChannel {
  readonly signer: Address;
  readonly cap: bigint;
  readonly validUntil: bigint;
}

/** Every key that the payer ever allotted on a channel of hub mode, as it stands now; newest last. */
export async function listAllotments(client: LeatClient, filter: { readonly payer?: Address } = {}) {
  const payer = filter.payer ?? addressOf(client);
  const { publicClient, deployment } = client;
  const logs = await publicClient.getContractEvents({
    address: deployment.escrow,
    abi: paymentEscrowAbi,
    eventName: "SignerAllotted",
    args: { payer },
    fromBlock: deployment.deployedAtBlock,
    strict: true,
  });
  const tokens = Object.values(deployment.tokens).map(toAddress);
  const found = new Map<string, AllottedChannel & { readonly signer: Address }>();
  for (const { args } of logs) {
    const payee = toAddress(args.payee);
    const token = tokens.find((one) => channelId(hubChannel(payer, payee, one)) === args.channel);
    if (token !== undefined)
      found.set(`${args.channel}/${args.signer}`, { payee, token, signer: toAddress(args.signer) });
  }
  return Promise.all([...found.values()].map((one) => getAllotment(client, { payer, ...one })));
}

/** What a key may sign on a channel of hub mode; zeros where it was never allotted. */
export async function getAllotment(
  client: LeatClient,
  input: AllottedChannel & { readonly payer: Address; readonly signer: Address },
): Promise<AllotmentStatus> {
  const { payer, payee, token, signer } = input;
  const [cap, validUntil] = await client.publicClient.readContract({
    address: client.deployment.escrow,
    abi: paymentEscrowAbi,
    functionName: "allotmentOf",
    args: [channelId(hubChannel(payer, payee, token)), signer],
  });
  return { payee, token, signer, cap, validUntil };
}
