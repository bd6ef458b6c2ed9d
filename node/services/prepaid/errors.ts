import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";

/** What may be wrong with a payment by HTTP, or with what should be spent of it. Codes are public. */
export class PrepaidError extends CodedError<
  | { code: "X402_PAYMENT_REQUIRED" }
  | { code: "X402_TOKEN_INVALID" }
  | { code: "X402_TOKEN_EXPIRED" }
  | { code: "X402_BALANCE_SHORT"; wantedExact: bigint; heldExact: bigint }
  | { code: "X402_SIGNATURE_INVALID"; reason: string }
  | { code: "X402_SIGNER_WRONG"; wanted: Address; found: Address }
  | { code: "X402_PAYEE_WRONG"; wanted: Address; found: string }
  | { code: "X402_ASSET_WRONG"; wanted: Address; found: string }
  | { code: "X402_VALUE_TOO_SMALL"; wanted: bigint; offered: bigint }
  | { code: "X402_VALUE_TOO_LARGE"; most: bigint; offered: bigint }
  | { code: "X402_NOT_YET_VALID"; validAfter: bigint }
  | { code: "X402_EXPIRED"; validBefore: bigint }
  | { code: "X402_VALID_TOO_LONG"; validBefore: bigint; latest: bigint }
  | { code: "X402_NONCE_USED"; nonce: Hex }
  | { code: "X402_TOO_MANY_REFUSED"; most: number }
  | { code: "X402_HOLDS_ENOUGH"; held: bigint; most: bigint }
  | { code: "X402_FUNDS_SHORT"; wanted: bigint; found: bigint }
  | { code: "X402_SETTLEMENT_REFUSED"; reason: string }
  | { code: "X402_PAYMENT_PENDING" }
  | { code: "X402_SETTLEMENT_UNAVAILABLE"; reason: string }
  | { code: "X402_CHAIN_UNAVAILABLE" }
  | { code: "X402_STORE_UNAVAILABLE" }
  | { code: "X402_BUSY" }
  | { code: "X402_PAYER_IS_CLUSTER"; payer: Address }
  | { code: "X402_SHARE_UNWANTED"; cluster: bigint; clusterPpm: number }
  | { code: "X402_VOUCHER_INVALID"; field: string }
  | { code: "X402_VOUCHER_NOT_NEXT"; seq: bigint }
  | { code: "X402_RESERVE_SHORT"; wanted: bigint; reserve: bigint }
  | { code: "X402_TOP_UP_TOO_SMALL"; wanted: bigint; offered: bigint }
  | { code: "X402_TOKEN_UNSUPPORTED"; token: Address }
  | { code: "X402_PRICE_MISSING"; token: Address }
  | { code: "X402_TOKEN_COST_MISSING"; token: Address }
> {}
