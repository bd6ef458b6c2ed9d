import type { TransferAuthorization } from "@leat/sdk/protocol/eip3009.ts";
import { type Address, type Hex, hexToBytes, toAddress } from "@leat/sdk/protocol/hex.ts";
import { toCompactSignature } from "@leat/sdk/protocol/statements.ts";
import { encodeEventTopics, numberToHex, type PublicClient, parseAbi, parseEventLogs } from "viem";
import { ChainError, reasonOf } from "./errors.ts";
import type { ContractCall } from "./sender.ts";

const tokenAbi = parseAbi([
  "function decimals() view returns (uint8)",
  "function balanceOf(address account) view returns (uint256)",
  "function authorizationState(address authorizer, bytes32 nonce) view returns (bool)",
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)",
  "function transfer(address to, uint256 value) returns (bool)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
]);

/** What ends a nonce: its use, or its signer's word that there will be none. */
const endAbi = parseAbi([
  "event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)",
  "event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce)",
]);

/** Blocks searched at once: public endpoints refuse more than some thousands. */
const PAGE_BLOCKS = 2_000n;
/** Blocks on either side that are searched too: an endpoint that lags, or a reorganisation, may move a use there. */
const MARGIN_BLOCKS = 64n;

/** Nonces that one query asks for. */
const NONCES_AT_ONCE = 64;

export interface WantedUse {
  readonly authorization: TransferAuthorization;
  /** About where the search begins. */
  readonly fromBlock: bigint;
}

/** How a nonce was used. One that was cancelled is used for nothing. */
export interface AuthorizationUse {
  readonly transaction: Hex;
  readonly blockNumber: bigint;
  /** Whether it moved the wanted value from its signer to the wanted account; a nonce can be used for anything. */
  readonly paid: boolean;
}

export interface ChainHead {
  readonly blockNumber: bigint;
  /** Seconds since 1970. */
  readonly timestamp: bigint;
}

/** A token's side of EIP-3009: its nonces, and what became of them. */
export class TokenAuthorizations {
  readonly token: Address;
  readonly #client: PublicClient;

  constructor(client: PublicClient, token: Address) {
    this.#client = client;
    this.token = token;
  }

  /** Whether the nonce is used as of the newest block. */
  isUsed(owner: Address, nonce: Hex): Promise<boolean> {
    const call = {
      address: this.token,
      abi: tokenAbi,
      functionName: "authorizationState",
      args: [owner, nonce],
    } as const;
    return ask("authorizationState", this.#client.readContract(call));
  }

  balanceOf(owner: Address): Promise<bigint> {
    const call = { address: this.token, abi: tokenAbi, functionName: "balanceOf", args: [owner] } as const;
    return ask("balanceOf", this.#client.readContract(call));
  }

  /** The block that has `depth` blocks on top. */
  async head(depth = 0): Promise<ChainHead> {
    const newest = await ask("eth_blockNumber", this.#client.getBlockNumber({ cacheTime: 0 }));
    const wanted = newest > BigInt(depth) ? newest - BigInt(depth) : 0n;
    const { number, timestamp } = await ask("eth_getBlockByNumber", this.#client.getBlock({ blockNumber: wanted }));
    return { blockNumber: number, timestamp };
  }

  /** Looks for the use of a nonce. */
  async findUse(wanted: WantedUse): Promise<AuthorizationUse | undefined> {
    return (await this.findUses([wanted]))[0];
  }

  /**
   * Looks for the uses of many nonces with the queries of one; in the order asked for. Of what has ended long ago only
   * the time in which it could be used is searched: a cancellation after that is not found.
   */
  async findUses(wanted: readonly WantedUse[], signal?: AbortSignal): Promise<(AuthorizationUse | undefined)[]> {
    if (wanted.length === 0) return [];
    const uses: (AuthorizationUse | undefined)[] = [];
    const newest = await this.head();
    for (let at = 0; at < wanted.length; at += NONCES_AT_ONCE) {
      const part = wanted.slice(at, at + NONCES_AT_ONCE);
      const logs = await this.#findEnds(part, newest, signal);
      for (const { authorization } of part) {
        const { from, nonce } = authorization;
        const log = logs.find(({ args }) => args.nonce === nonce && toAddress(args.authorizer) === from);
        uses.push(log && (await this.#readUse(log, authorization)));
      }
    }
    return uses;
  }

  payCall(to: Address, value: bigint) {
    const call = { address: this.token, abi: tokenAbi, functionName: "transfer", args: [to, value] } as const;
    return call satisfies ContractCall<typeof tokenAbi, "transfer">;
  }

  transferCall(authorization: TransferAuthorization, signature: Hex) {
    const { from, to, value, validAfter, validBefore, nonce } = authorization;
    const { v, r, s } = splitSignature(signature);
    return {
      address: this.token,
      abi: tokenAbi,
      functionName: "transferWithAuthorization",
      args: [from, to, value, validAfter, validBefore, nonce, v, r, s],
    } as const satisfies ContractCall<typeof tokenAbi, "transferWithAuthorization">;
  }

  /** The queries match any of the owners with any of the nonces: what is not wanted of that is left out. */
  async #findEnds(wanted: readonly WantedUse[], newest: ChainHead, signal?: AbortSignal): Promise<EndLog[]> {
    const pairs = new Set(wanted.map(({ authorization: { from, nonce } }) => `${from}/${nonce}`));
    const authorizer = [...new Set(wanted.map(({ authorization }) => authorization.from))];
    const nonce = [...new Set(wanted.map(({ authorization }) => authorization.nonce))];
    const earliest = wanted.map(({ fromBlock }) => fromBlock).reduce(min);
    const begin = earliest > MARGIN_BLOCKS ? earliest - MARGIN_BLOCKS : 0n;
    const endSeconds = wanted.map(({ authorization }) => authorization.validBefore).reduce(max);
    const end = await this.#findLastBlock(begin, newest, endSeconds, signal);
    const found: EndLog[] = [];
    for (let first = begin; first <= end; first += PAGE_BLOCKS) {
      signal?.throwIfAborted();
      const logs = await this.#readEnds(authorizer, nonce, first, min(first + PAGE_BLOCKS - 1n, end));
      found.push(...logs.filter(({ args }) => pairs.has(`${toAddress(args.authorizer)}/${args.nonce}`)));
      if (found.length >= pairs.size) break;
    }
    return found;
  }

  /** Where nothing that ends at `endSeconds` can be used any more, about a page late at most; the newest block before. */
  async #findLastBlock(
    begin: bigint,
    { blockNumber, timestamp }: ChainHead,
    endSeconds: bigint,
    signal?: AbortSignal,
  ): Promise<bigint> {
    if (timestamp < endSeconds) return blockNumber;
    let before = begin;
    let after = blockNumber;
    while (after - before > PAGE_BLOCKS) {
      signal?.throwIfAborted();
      const middle = (before + after) / 2n;
      const block = await ask("eth_getBlockByNumber", this.#client.getBlock({ blockNumber: middle }));
      if (block.timestamp < endSeconds) before = middle;
      else after = middle;
    }
    return min(after + MARGIN_BLOCKS, blockNumber);
  }

  /** Both events by one query. */
  async #readEnds(
    authorizer: readonly Address[],
    nonce: readonly Hex[],
    first: bigint,
    last: bigint,
  ): Promise<EndLog[]> {
    const args = { authorizer: [...authorizer], nonce: [...nonce] };
    const [used, ...indexed] = encodeEventTopics({ abi: endAbi, eventName: "AuthorizationUsed", args });
    const [cancelled] = encodeEventTopics({ abi: endAbi, eventName: "AuthorizationCanceled" });
    const topics = [[used, cancelled] as Hex[], ...indexed];
    const range = { fromBlock: numberToHex(first), toBlock: numberToHex(last) };
    const params = [{ address: this.token, topics, ...range }] as const;
    const logs = await ask("eth_getLogs", this.#client.request({ method: "eth_getLogs", params: [...params] }));
    return parseEventLogs({ abi: endAbi, logs }) as EndLog[];
  }

  /** What the transaction of that event did with the nonce. */
  async #readUse(end: EndLog, { from, to, value }: TransferAuthorization): Promise<AuthorizationUse> {
    const { transactionHash: transaction, blockNumber, logIndex } = end;
    if (end.eventName === "AuthorizationCanceled") return { transaction, blockNumber, paid: false };
    const receipt = await ask("eth_getTransactionReceipt", this.#client.getTransactionReceipt({ hash: transaction }));
    const transfers = parseEventLogs({ abi: tokenAbi, eventName: "Transfer", logs: receipt.logs });
    // The token announces the nonce and, directly after it, the transfer that it was used for.
    const paid = transfers.some(
      ({ address, logIndex: at, args }) =>
        at === logIndex + 1 &&
        toAddress(address) === this.token &&
        toAddress(args.from) === from &&
        toAddress(args.to) === to &&
        args.value === value,
    );
    return { transaction, blockNumber, paid };
  }
}

interface EndLog {
  readonly eventName: "AuthorizationUsed" | "AuthorizationCanceled";
  readonly args: { readonly authorizer: Address; readonly nonce: Hex };
  readonly transactionHash: Hex;
  readonly blockNumber: bigint;
  readonly logIndex: number;
}

function min(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function max(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}

/** Either form of a checked signature as EIP-3009 takes it. */
export function splitSignature(signature: Hex): { readonly v: number; readonly r: Hex; readonly s: Hex } {
  const { r, vs } = toCompactSignature(signature);
  const high = hexToBytes(vs, 32)[0]!;
  const first = (high & 0x7f).toString(16).padStart(2, "0");
  return { v: 27 + (high >> 7), r, s: `0x${first}${vs.slice(4)}` };
}

async function ask<T>(method: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw new ChainError({ code: "CHAIN_UNREACHABLE", method, reason: reasonOf(cause) }, { cause });
  }
}
