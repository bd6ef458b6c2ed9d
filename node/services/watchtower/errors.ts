import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";

/** Codes are public: a payee is told why a voucher is not kept. */
export class WatchError extends CodedError<
  | { code: "WATCH_PAYEE_WRONG"; payee: Address; from: Address }
  | { code: "WATCH_PAYEE_NOT_SERVED"; payee: Address }
  | { code: "WATCH_VOUCHER_STALE"; channel: Hex; held: bigint; offered: bigint }
  | { code: "WATCH_NOTHING_OPEN"; channel: Hex }
  | { code: "WATCH_TOO_LITTLE"; channel: Hex; open: bigint; least: bigint }
  | { code: "WATCH_FULL"; held: number; most: number }
  | { code: "WATCH_BUSY"; from: Address }
> {}
