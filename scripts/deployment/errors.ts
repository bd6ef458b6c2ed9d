import { CodedError } from "../../sdk/base/errors.ts";
import type { Address, Hex } from "../../sdk/protocol/hex.ts";

export class DeployError extends CodedError<
  | { code: "DEPLOY_OPTION_UNKNOWN"; option: string }
  | { code: "DEPLOY_OPTION_INVALID"; option: string; wanted: string; found: string }
  | { code: "DEPLOY_OPTION_MISSING"; option: string; wanted: string }
  | { code: "DEPLOY_FILE_EXISTS"; path: string }
  | { code: "DEPLOY_FILE_UNWRITABLE"; path: string; reason: string }
  | { code: "DEPLOY_ALREADY_DEPLOYED"; name: string }
  | { code: "DEPLOY_IN_USE"; path: string; pid: number }
  | { code: "DEPLOY_RPC_MISSING"; name: string }
  | { code: "DEPLOY_RPC_UNREACHABLE"; method: string; reason: string }
  | { code: "DEPLOY_CHAIN_WRONG"; wanted: number; found: number }
  | { code: "DEPLOY_TOKEN_WRONG"; token: Address; name: string; reason: string }
  | { code: "DEPLOY_GAS_SHORT"; account: Address; wantedWei: bigint; foundWei: bigint }
  /** A price of gas, and the highest that may be paid. */
  | { code: "DEPLOY_FEES_HIGH"; step: string; feeWei: bigint; ceilingWei: bigint }
  | { code: "DEPLOY_NOT_CONFIRMED" }
  | { code: "DEPLOY_JOURNAL_INVALID"; path: string; reason: string }
  | { code: "DEPLOY_PLAN_CHANGED"; path: string; wanted: Hex; found: Hex }
  | { code: "DEPLOY_NONCE_TAKEN"; step: string; nonce: number }
  | { code: "DEPLOY_REVERTED"; step: string; transaction: Hex }
  | { code: "DEPLOY_REFUSED"; step: string; reason: string }
  | { code: "DEPLOY_NOT_CONFIRMED_IN_TIME"; step: string; transaction: Hex }
  | { code: "DEPLOY_CHECK_FAILED"; what: string; wanted: string; found: string }
> {}

/** The first line of what a node or library said, without addresses of endpoints: they may hold keys. */
export function reasonOf(error: unknown): string {
  const inner = error as { shortMessage?: string; details?: string; message?: string };
  const text = `${inner.shortMessage ?? inner.message ?? String(error)} ${inner.details ?? ""}`.trim();
  return text.split("\n")[0]!.replace(/\b[a-z]{2,5}:\/\/\S+/g, "URL");
}
