import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { BaseError, ContractFunctionRevertedError, InsufficientFundsError, ResponseBodyTooLargeError } from "viem";

export class ChainError extends CodedError<
  | { code: "CHAIN_UNREACHABLE"; method: string; reason: string }
  /** It answered, and will not do it. */
  | { code: "CHAIN_CALL_REFUSED"; method: string; reason: string }
  | { code: "CHAIN_WRONG"; wanted: number; found: number }
  | { code: "CHAIN_REVERTED"; method: string; reason: string; transaction?: Hex }
  | { code: "CHAIN_GAS_MISSING"; address: Address; balance?: bigint; needed?: bigint }
  | { code: "CHAIN_GAS_BUDGET"; budget: bigint; committed: bigint; needed: bigint }
  | { code: "CHAIN_FEES_HIGH"; baseFee: bigint; ceiling: bigint }
  | { code: "CHAIN_NOT_CONFIRMED"; transaction: Hex }
  | { code: "CHAIN_DISPLACED"; transaction: Hex }
  | { code: "CHAIN_REPLACED"; checkpoint: bigint; head: bigint }
> {}

/** An endpoint did not answer, or answered that it cannot. Carries its number in the settings, never its address. */
export class EndpointFailure extends Error {
  readonly endpoint: number;
  /** It does not have the block that was asked for. */
  readonly lags: boolean;

  constructor(endpoint: number, reason: string, lags = false) {
    super(`endpoint ${endpoint}: ${reason}`);
    this.name = "EndpointFailure";
    this.endpoint = endpoint;
    this.lags = lags;
  }
}

/** The first line of what a node or library said, without addresses of endpoints. */
export function reasonOf(error: unknown): string {
  const failure = [...causesOf(error)].find((cause) => cause instanceof EndpointFailure);
  const inner = (failure ?? error) as { shortMessage?: string; details?: string; message?: string };
  const text = inner.shortMessage ?? inner.details ?? inner.message ?? String(error);
  return text.split("\n")[0]!.replace(/\b[a-z]{2,5}:\/\/\S+/g, "URL");
}

export function* causesOf(error: unknown): Generator<unknown> {
  for (let at: unknown = error; at !== undefined && at !== null; at = (at as { cause?: unknown }).cause) yield at;
}

/** What a call to the chain failed with, by its code. */
export function chainErrorOf(error: unknown, method: string, address: Address): ChainError {
  const chain = [...causesOf(error)];
  const reverted = chain.find((cause) => cause instanceof ContractFunctionRevertedError);
  if (reverted !== undefined) {
    const reason = reverted.data?.errorName ?? reverted.reason ?? reverted.signature ?? "unknown";
    return new ChainError({ code: "CHAIN_REVERTED", method, reason }, { cause: error });
  }
  if (chain.some((cause) => cause instanceof InsufficientFundsError)) {
    return new ChainError({ code: "CHAIN_GAS_MISSING", address }, { cause: error });
  }
  const reason = reasonOf(error);
  return new ChainError({ code: "CHAIN_UNREACHABLE", method, reason }, { cause: error });
}

/** What endpoints say where they mean that the range of blocks, or what is in it, is too much for one answer. */
const PAGE_REFUSED =
  /more than [\d,]+ (results|logs|blocks)|returned more|(block|log)s? range|range (is |of |too |exceed|limit)|too many (results|logs|blocks)|response size|size (exceeds|limit)|too large|query (timeout|timed out|exceeds)/i;

/** A smaller page may pass. What limits requests, not results, is not meant: waiting helps there. */
export function isPageRefused(error: unknown): boolean {
  return [...causesOf(error)].some(
    (cause) =>
      cause instanceof ResponseBodyTooLargeError ||
      (cause instanceof BaseError && PAGE_REFUSED.test(cause.details ?? "")),
  );
}
