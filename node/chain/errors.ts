import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";

export class ChainError extends CodedError<
  | { code: "CHAIN_UNREACHABLE"; method: string; reason: string }
  | { code: "CHAIN_WRONG"; wanted: number; found: number }
  | { code: "CHAIN_REVERTED"; method: string; reason: string; transaction?: Hex }
  | { code: "CHAIN_GAS_MISSING"; address: Address }
  | { code: "CHAIN_NOT_CONFIRMED"; transaction: Hex }
  | { code: "CHAIN_REPLACED"; checkpoint: bigint; head: bigint }
> {}

/** The first line of what a node or library said, without addresses of endpoints. */
export function reasonOf(error: unknown): string {
  const inner = error as { shortMessage?: string; details?: string; message?: string };
  const text = inner.shortMessage ?? inner.details ?? inner.message ?? String(error);
  return text.split("\n")[0]!.replace(/\b[a-z]{2,5}:\/\/\S+/g, "URL");
}
