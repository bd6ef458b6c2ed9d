import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";

/** Codes are public: a peer is told the code, never the facts. */
export class PaymentError extends CodedError<
  | { code: "CREDIT_PREPAY_REQUIRED"; wanted: bigint }
  | { code: "CREDIT_PREPAY_SHORT"; wanted: bigint; offered: bigint }
  | { code: "CREDIT_RESERVE_SHORT"; wantedExact: bigint; freeExact: bigint }
  | { code: "PAYER_REPUTATION_LOW"; payer: Address; scorePpm: number; bounces: number }
  | { code: "CREDIT_QUOTE_EXPIRED"; validUntil: bigint }
  | { code: "VOUCHER_PAYEE_WRONG"; payee: Address }
  | { code: "VOUCHER_SHARE_UNWANTED"; cluster: bigint; clusterPpm: number }
  | { code: "VOUCHER_SIGNER_WRONG"; payer: Address; signer: Address }
  | { code: "VOUCHER_SIGNER_CAP"; signer: Address; cap: bigint; cumulative: bigint }
  | { code: "VOUCHER_SIGNER_EXPIRED"; signer: Address; validUntil: bigint }
  | { code: "VOUCHER_ADDRESS_ZERO"; field: "payer" | "token" }
  | { code: "VOUCHER_TOKEN_UNKNOWN"; token: Address }
  | { code: "VOUCHER_CHAIN_WRONG"; wanted: number; found: number }
  | { code: "VOUCHER_CONTRACT_WRONG"; wanted: Address; found: Address }
  | { code: "VOUCHER_FIELD_INVALID"; field: string }
  | { code: "VOUCHER_SIGNATURE_LENGTH" }
  | { code: "VOUCHER_SIGNATURE_HIGH_S" }
  | { code: "VOUCHER_SIGNATURE_RECOVERY_ID" }
  | { code: "VOUCHER_SIGNATURE_INVALID" }
  | { code: "VOUCHER_ABOVE_RESERVE"; open: bigint; reserve: bigint }
  | { code: "VOUCHER_ANSWER_WRONG"; channel: Hex }
  | { code: "VOUCHER_CHAIN_UNKNOWN"; seq: bigint }
  | { code: "VOUCHER_RECEIPT_UNKNOWN"; receiptHash: Hex }
  | { code: "VOUCHER_RECEIPT_REPEATED"; receiptHash: Hex }
  | { code: "VOUCHER_OVERPRICED"; asked: bigint; owed: bigint }
  | { code: "VOUCHER_PREPAY_REFUSED"; asked: bigint; allowed: bigint }
  | { code: "VOUCHER_CHANNEL_UNKNOWN"; channel: Hex }
  | { code: "VOUCHER_FENCED"; channel: Hex }
  | { code: "PAYMENT_ATTEMPTS_TOO_MANY"; channel: Hex; most: number }
> {}
