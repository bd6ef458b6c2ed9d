import { depositNonce, reserveNonce } from "../../protocol/eip3009.ts";
import { type Address, bytesToHex, type Hex } from "../../protocol/hex.ts";
import type { LeatClient } from "../create-client.ts";
import { callEscrow } from "../escrow-call.ts";
import { signPermit, signReceive, soon } from "../token-signatures.ts";
import { addressOf, type Done } from "../transaction.ts";
import { requireBalance } from "./operator.ts";

/** What a payer authorised a token to hand to the escrow; its nonce says what for, so anybody may submit it. */
export interface DepositAuthorization {
  readonly from: Address;
  readonly amount: bigint;
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly salt: Hex;
  readonly v: number;
  readonly r: Hex;
  readonly s: Hex;
}

/**
 * Moves `amount` base units into the pool of `account` (default: the caller's), with a signature in place of an allowance.
 * @throws CLIENT_BALANCE_SHORT
 */
export async function depositWithPermit(
  client: LeatClient,
  input: { readonly token: Address; readonly amount: bigint; readonly account?: Address },
): Promise<Done> {
  const { token, amount, account = addressOf(client) } = input;
  await requireBalance(client, token, amount);
  const permit = await signPermit(client, token, client.deployment.escrow, amount);
  return callEscrow(client, token, "depositWithPermit", [token, account, amount, permit]);
}

export interface AuthorizationInput {
  readonly token: Address;
  readonly amount: bigint;
  /** Seconds from now after which nobody can submit it; an hour by default. */
  readonly validForSeconds?: bigint;
  /** 32 bytes: each is good once. Random by default. */
  readonly salt?: Hex;
}

/** Authorises a deposit into the pool of `account` (default: the signer's). Costs the signer no gas. */
export async function authorizeDeposit(
  client: LeatClient,
  input: AuthorizationInput & { readonly account?: Address },
): Promise<DepositAuthorization> {
  const { account = addressOf(client) } = input;
  return authorize(client, input, (salt) => depositNonce(account, salt));
}

/** Authorises a reserve on the signer's channel to `payee`, in hub mode unless a share is named. */
export async function authorizeReserve(
  client: LeatClient,
  input: AuthorizationInput & { readonly payee: Address; readonly cluster?: bigint; readonly clusterPpm?: number },
): Promise<DepositAuthorization> {
  const { payee, cluster = 0n, clusterPpm = 0 } = input;
  return authorize(client, input, (salt) => reserveNonce({ payee, cluster, clusterPpm }, salt));
}

/** Submits a deposit that `authorization.from` authorised into the pool of `account` (default: its own). */
export function depositWithAuthorization(
  client: LeatClient,
  input: { readonly token: Address; readonly account?: Address; readonly authorization: DepositAuthorization },
): Promise<Done> {
  const { token, authorization, account = authorization.from } = input;
  return callEscrow(client, token, "depositWithAuthorization", [token, account, authorization]);
}

/** Submits a reserve that `authorization.from` authorised. */
export function reserveWithAuthorization(
  client: LeatClient,
  input: {
    readonly token: Address;
    readonly payee: Address;
    readonly cluster?: bigint;
    readonly clusterPpm?: number;
    readonly authorization: DepositAuthorization;
  },
): Promise<Done> {
  const { token, payee, authorization, cluster = 0n, clusterPpm = 0 } = input;
  return callEscrow(client, token, "reserveWithAuthorization", [payee, token, cluster, clusterPpm, authorization]);
}

async function authorize(
  client: LeatClient,
  input: AuthorizationInput,
  nonceOf: (salt: Hex) => Hex,
): Promise<DepositAuthorization> {
  const { token, amount, salt = bytesToHex(crypto.getRandomValues(new Uint8Array(32))) } = input;
  const validBefore = await soon(client, input.validForSeconds);
  const terms = { to: client.deployment.escrow, value: amount, validAfter: 0n, validBefore, nonce: nonceOf(salt) };
  const signature = await signReceive(client, token, terms);
  return { from: addressOf(client), amount, validAfter: 0n, validBefore, salt, ...signature };
}
