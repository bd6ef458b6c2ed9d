import { erc20Abi, parseAbi, parseSignature } from "viem";
import { CodedError } from "../base/errors.ts";
import { receiveAuthorizationStructure } from "../protocol/eip3009.ts";
import { type Address, type Hex, zeroHash } from "../protocol/hex.ts";
import { permitTypes } from "../protocol/permit.ts";
import { type TypedData, typedFields } from "../protocol/typed-data.ts";
import type { LeatClient } from "./create-client.ts";
import { toVrs } from "./signer.ts";
import { findTokenDomain } from "./token-domain.ts";
import { signerOf } from "./transaction.ts";

/** What is signed for a token, in the token's own domain: permits and authorisations. */
export class TokenError extends CodedError<{ code: "TOKEN_DOMAIN_UNKNOWN"; token: Address }> {}

/** How long a proof of possession or a permit stands: long enough for a slow chain, short enough to be of no use later. */
const PROOF_SECONDS = 3_600n;

const tokenAbi = parseAbi(["function nonces(address owner) view returns (uint256)"]);

/** A signature as tokens take it. */
export interface SplitSignature {
  readonly v: number;
  readonly r: Hex;
  readonly s: Hex;
}

/** EIP-2612, for as much as the spender may not take yet. A token without it needs an allowance instead. */
export async function signPermit(
  client: LeatClient,
  token: Address,
  spender: Address,
  value: bigint,
): Promise<SplitSignature & { readonly deadline: bigint }> {
  const { publicClient } = client;
  const { address: owner } = signerOf(client);
  const args = [owner, spender] as const;
  const allowed = await publicClient.readContract({ address: token, abi: erc20Abi, functionName: "allowance", args });
  if (allowed >= value) return { deadline: 0n, v: 0, r: zeroHash, s: zeroHash };
  const [nonce, domain, deadline] = await Promise.all([
    publicClient.readContract({ address: token, abi: tokenAbi, functionName: "nonces", args: [owner] }),
    readTokenDomain(client, token),
    soon(client),
  ]);
  const message = { owner, spender, value, nonce, deadline };
  return { deadline, ...(await sign(client, { domain, primaryType: "Permit", types: permitTypes, message })) };
}

export interface ReceiveTerms {
  readonly to: Address;
  readonly value: bigint;
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly nonce: Hex;
}

/** EIP-3009: lets `to`, and nobody else, fetch `value` from the client's account once. */
export async function signReceive(client: LeatClient, token: Address, terms: ReceiveTerms): Promise<SplitSignature> {
  const domain = await readTokenDomain(client, token);
  const message = { from: signerOf(client).address, ...terms };
  return sign(client, {
    domain,
    primaryType: "ReceiveWithAuthorization",
    types: { ReceiveWithAuthorization: typedFields(receiveAuthorizationStructure) },
    message,
  });
}

/** The domain of a token's signatures. @throws TOKEN_DOMAIN_UNKNOWN */
export async function readTokenDomain(client: LeatClient, token: Address): Promise<TypedData["domain"]> {
  const domain = await findTokenDomain(client.publicClient, client.deployment.chainId, token);
  if (domain !== undefined) return domain;
  const message = `what ${token} signs with is not known; allow the escrow by "approve" and deposit instead`;
  throw new TokenError({ code: "TOKEN_DOMAIN_UNKNOWN", token }, { message });
}

/** By the chain's clock: a local chain's may differ from the machine's. */
export async function soon(
  { publicClient }: Pick<LeatClient, "publicClient">,
  seconds = PROOF_SECONDS,
): Promise<bigint> {
  return (await publicClient.getBlock()).timestamp + seconds;
}

async function sign(client: LeatClient, data: TypedData): Promise<SplitSignature> {
  const { r, s, yParity } = parseSignature(toVrs(await signerOf(client).signTypedData(data)));
  return { v: 27 + yParity, r, s };
}
