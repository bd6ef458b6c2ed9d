import {
  type Abi,
  type ContractFunctionArgs,
  type ContractFunctionName,
  ContractFunctionRevertedError,
  encodeFunctionData,
  type ReplacementReturnType,
  type TransactionReceipt,
  WaitForTransactionReceiptTimeoutError,
} from "viem";
import { CodedError } from "../base/errors.ts";
import type { Address, Hex } from "../protocol/hex.ts";
import type { LeatClient } from "./create-client.ts";
import type { AccountSigner } from "./signer.ts";

/** Less is there than was asked for: in the wallet, free in the escrow, in a reserve, at stake, or for joining. */
type ShortageCode =
  | "CLIENT_BALANCE_SHORT"
  | "CLIENT_POOL_SHORT"
  | "CLIENT_RESERVE_SHORT"
  | "CLIENT_STAKE_SHORT"
  | "CLIENT_JOIN_SHORT";

export class ClientError extends CodedError<
  | { code: "CLIENT_ACCOUNT_MISSING" }
  | { code: "CLIENT_REVERTED"; method: string; reason: string; transaction?: Hex }
  /** Another transaction of the account took its place: nothing of this one happened. */
  | { code: "CLIENT_DISPLACED"; method: string; transaction: Hex; by: Hex }
  /** The account cannot pay the network for it: nothing was sent. */
  | { code: "CLIENT_GAS_MISSING"; account: Address; method: string }
  /** Something else sends by the account at this moment: nothing was sent. */
  | { code: "CLIENT_KEY_BUSY"; account: Address; method: string }
  /** Sent, and in no block yet: it may still happen. */
  | { code: "CLIENT_UNCONFIRMED"; method: string; transaction: Hex }
  | {
      code: ShortageCode;
      token: Address;
      /** The token's name on this network, or its address. */
      symbol: string;
      decimals: number;
      wanted: bigint;
      found: bigint;
    }
  | { code: "CLIENT_CAP_FELL"; token: Address; symbol: string; decimals: number; held: bigint; wanted: bigint }
  /** `endsAt` in seconds since 1970. */
  | { code: "CLIENT_THAW_RUNNING"; endsAt: bigint }
  | { code: "CLIENT_THAW_NONE" }
  | { code: "CLIENT_NODE_KEY_MISSING" }
  | { code: "CLIENT_NODE_UNKNOWN"; node: Address }
  | { code: "CLIENT_OPERATOR_UNKNOWN"; account: Address }
  | { code: "CLIENT_TOKEN_UNKNOWN"; token: string }
  | { code: "CLIENT_CLUSTER_UNKNOWN"; cluster: bigint; count: bigint }
  | { code: "CLIENT_CLUSTER_NOT_OWNER"; owner: Address; account: Address }
  /** Neither its owner nor a current balancer key. */
  | { code: "CLIENT_CLUSTER_NOT_BALANCER"; cluster: bigint; account: Address }
  | { code: "CLIENT_BALANCERS_TOO_MANY"; maximum: bigint }
  /** It is, or was, a balancer key of that cluster. */
  | { code: "CLIENT_BALANCER_USED"; cluster: bigint; balancer: Address }
  | { code: "CLIENT_BALANCER_TWICE"; balancer: Address }
  | { code: "CLIENT_BALANCER_UNKNOWN"; cluster: bigint; balancer: Address }
  /** Shares in millionths of a payment. */
  | { code: "CLIENT_SHARE_TOO_LARGE"; maximumPpm: bigint; foundPpm: bigint }
  | { code: "CLIENT_SHARE_ABOVE_ACCEPTED"; sharePpm: bigint; acceptedPpm: bigint }
  | { code: "CLIENT_TERMS_TOO_LONG"; maximumBytes: bigint; foundBytes: bigint }
  | { code: "CLIENT_TRANSFER_NONE"; cluster: bigint }
  | { code: "CLIENT_TRANSFER_OF_ANOTHER"; newOwner: Address; account: Address }
  /** Times in seconds since 1970. */
  | { code: "CLIENT_TRANSFER_EARLY"; opensAt: bigint }
  | { code: "CLIENT_TRANSFER_LATE"; endedAt: bigint }
  | { code: "CLIENT_MEMBER_REFUSED"; cluster: bigint; operator: Address }
  | { code: "CLIENT_MEMBER_UNKNOWN"; cluster: bigint; operator: Address }
  /** Operators are members, their nodes are not. */
  | { code: "CLIENT_MEMBER_IS_NODE"; node: Address; operator: Address }
  /** `what`: of whom that address is. */
  | { code: "CLIENT_RECIPIENT_KEYLESS"; recipient: Address; what: string }
  | { code: "CLIENT_CONTRACT_MISSING"; contract: string }
  | { code: "CLIENT_CONTRACT_ABSENT"; contract: string; address: Address }
> {}

/** A transaction that is in a block. */
export interface Done {
  readonly transaction: Hex;
  readonly blockNumber: bigint;
}

/** The client's own address. Throws CLIENT_ACCOUNT_MISSING without an account. */
export function addressOf(client: LeatClient): Address {
  return signerOf(client).address;
}

/** Who signs for the client. Throws CLIENT_ACCOUNT_MISSING without an account. */
export function signerOf({ signer }: LeatClient): AccountSigner {
  if (signer === undefined) throw new ClientError({ code: "CLIENT_ACCOUNT_MISSING" });
  return signer;
}

export interface Write<A extends Abi, N extends ContractFunctionName<A, "nonpayable" | "payable">> {
  readonly address: Address;
  readonly abi: A;
  readonly functionName: N;
  readonly args: ContractFunctionArgs<A, "nonpayable" | "payable", N>;
}

/**
 * Simulates, sends and waits. The same call at a higher fee counts as this one.
 *
 * @throws ClientError CLIENT_REVERTED with the contract's own error name, CLIENT_GAS_MISSING, CLIENT_KEY_BUSY,
 * CLIENT_DISPLACED, CLIENT_UNCONFIRMED
 */
export async function write<const A extends Abi, N extends ContractFunctionName<A, "nonpayable" | "payable">>(
  client: LeatClient,
  call: Write<A, N>,
): Promise<Done & { readonly receipt: TransactionReceipt }> {
  const { publicClient } = client;
  const signer = signerOf(client);
  const plain = call as unknown as Write<Abi, string>;
  await publicClient.simulateContract({ ...plain, account: signer.address }).catch((cause) => {
    throw revertOf(cause, plain.functionName);
  });
  const toSend = { to: plain.address, data: encodeFunctionData(plain) };
  const sent = await signer.sendCall(toSend).catch((cause) => {
    throw sendingFailureOf(cause, signer.address, plain.functionName);
  });
  const receipt = await confirm(client, plain.functionName, sent);
  const { transactionHash: transaction, blockNumber } = receipt;
  if (receipt.status !== "success") {
    throw new ClientError({ code: "CLIENT_REVERTED", method: plain.functionName, reason: "in its block", transaction });
  }
  return { transaction, blockNumber, receipt };
}

async function confirm(
  { publicClient, confirmMs }: LeatClient,
  method: string,
  transaction: Hex,
): Promise<TransactionReceipt> {
  let replaced: ReplacementReturnType | undefined;
  const onReplaced = (by: ReplacementReturnType) => {
    replaced = by;
  };
  const receipt = await publicClient
    .waitForTransactionReceipt({ hash: transaction, timeout: confirmMs, onReplaced })
    .catch((cause) => {
      if (!(cause instanceof WaitForTransactionReceiptTimeoutError)) throw cause;
      throw new ClientError({ code: "CLIENT_UNCONFIRMED", method, transaction }, { cause });
    });
  if (replaced === undefined || replaced.reason === "repriced") return receipt;
  throw new ClientError({ code: "CLIENT_DISPLACED", method, transaction, by: receipt.transactionHash });
}

/** What an endpoint says when it takes no transaction, as viem and ethers hand it on: it has words for it, and no code. */
function sendingFailureOf(error: unknown, account: Address, method: string): unknown {
  const said: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) {
    said.push(at.message, String((at as { code?: unknown }).code), String((at as { details?: unknown }).details));
  }
  const all = said.join("\n");
  if (/insufficient[ _]funds/i.test(all)) {
    return new ClientError({ code: "CLIENT_GAS_MISSING", account, method }, { cause: error });
  }
  if (/underpriced|nonce too low|nonce_expired|nonce has already been used/i.test(all)) {
    return new ClientError({ code: "CLIENT_KEY_BUSY", account, method }, { cause: error });
  }
  return error;
}

function revertOf(error: unknown, method: string): unknown {
  for (let at = error; at !== undefined && at !== null; at = (at as { cause?: unknown }).cause) {
    if (!(at instanceof ContractFunctionRevertedError)) continue;
    const reason = at.data?.errorName ?? at.reason ?? at.signature ?? "unknown";
    return new ClientError({ code: "CLIENT_REVERTED", method, reason }, { cause: error });
  }
  return error;
}
