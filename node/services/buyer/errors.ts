import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";

/** Codes are public: the balancer is told the code. */
export class BuyerError extends CodedError<
  | { code: "USAGE_SESSION_MISSING" }
  | { code: "USAGE_JOB_WRONG"; field: "job" | "attempt" | "node" | "quoteHash" | "stream" | "kind" }
  | { code: "USAGE_ASSIGNMENT_SIGNER_WRONG"; signer: Address }
  | { code: "USAGE_RECEIPT_SIGNER_WRONG"; wanted: Address }
  | { code: "USAGE_SIGNATURE_INVALID" }
  | { code: "USAGE_LEAVES_WRONG" }
  | { code: "USAGE_UNIT_UNKNOWN"; kind: string }
  | { code: "USAGE_UNITS_TOO_MANY"; served: bigint; paid: bigint }
  | { code: "USAGE_BUDGET_SPENT"; stream: Hex; most: bigint }
  | { code: "USAGE_PRICE_ABOVE_CEILING"; unit: string; price: bigint; ceiling: bigint }
  | { code: "USAGE_PRICE_ABOVE_QUOTE"; unit: string; price: bigint; quoted: bigint | undefined }
  | { code: "USAGE_QUOTE_WRONG"; field: "node" | "payer" | "token" | "pricesHash" | "signature" }
  | { code: "USAGE_QUOTE_CHANGED"; stream: Hex }
  | { code: "USAGE_PAID_TWICE"; receiptHash: Hex }
  | { code: "USAGE_JOBS_TOO_MANY"; most: number }
  | { code: "USAGE_UNPAID_TOO_MANY"; most: number }
  | { code: "USAGE_RECEIPT_CONFLICT"; job: Hex; seq: bigint }
> {}
