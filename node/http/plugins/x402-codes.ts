import type { PrepaidError } from "../../services/prepaid/errors.ts";
import type { PaymentHeaderError } from "../payment-header.ts";

export type X402Code = PrepaidError["code"] | PaymentHeaderError["code"];

interface Meaning {
  readonly status: 400 | 402 | 503;
  /** What the x402 `error` field says: the public packages' own word where they have one. */
  readonly reason: string;
  readonly message: string;
}

const signAnew = "sign a new payment; what you paid before is used first";

/** What a client is told of each failure. Codes that are not here never leave: they end the start of a node. */
export const x402Meanings: Readonly<Partial<Record<X402Code, Meaning>>> = {
  X402_PAYMENT_REQUIRED: { status: 402, reason: "payment_required", message: "pay, or bring a balance token" },
  X402_TOKEN_INVALID: { status: 402, reason: "balance_token_invalid", message: `no such balance token; ${signAnew}` },
  X402_TOKEN_EXPIRED: { status: 402, reason: "balance_token_expired", message: `the token is over; ${signAnew}` },
  X402_BALANCE_SHORT: { status: 402, reason: "balance_short", message: "the balance does not last for this request" },
  X402_SIGNATURE_INVALID: {
    status: 402,
    reason: "invalid_exact_evm_signature",
    message: "64 or 65 bytes of an ECDSA signature with low s are wanted",
  },
  X402_SIGNER_WRONG: {
    status: 402,
    reason: "invalid_exact_evm_signature",
    message: "the payer did not sign this, or signed it for another network, token or escrow",
  },
  X402_PAYEE_WRONG: { status: 402, reason: "invalid_exact_evm_recipient_mismatch", message: "it pays somebody else" },
  X402_ASSET_WRONG: { status: 402, reason: "invalid_asset", message: "it pays in another token" },
  X402_VALUE_TOO_SMALL: { status: 402, reason: "invalid_exact_evm_authorization_value", message: "it pays too little" },
  X402_VALUE_TOO_LARGE: {
    status: 402,
    reason: "invalid_exact_evm_payload_authorization_value_mismatch",
    message: "it pays more than is taken ahead",
  },
  X402_NOT_YET_VALID: {
    status: 402,
    reason: "invalid_exact_evm_payload_authorization_valid_after",
    message: "it is not valid yet",
  },
  X402_EXPIRED: {
    status: 402,
    reason: "invalid_exact_evm_payload_authorization_valid_before",
    message: "it is not valid any more",
  },
  X402_VALID_TOO_LONG: {
    status: 402,
    reason: "invalid_exact_evm_payload_authorization_valid_before",
    message: "it is valid for longer than was asked for",
  },
  X402_NONCE_USED: { status: 402, reason: "invalid_exact_evm_nonce_already_used", message: `seen before; ${signAnew}` },
  X402_FUNDS_SHORT: {
    status: 402,
    reason: "invalid_exact_evm_insufficient_balance",
    message: "the payer does not have as much",
  },
  X402_SETTLEMENT_REFUSED: {
    status: 402,
    reason: "invalid_exact_evm_transaction_simulation_failed",
    message: "the token or the escrow refuses it",
  },
  X402_PAYER_IS_CLUSTER: { status: 402, reason: "payer_is_cluster", message: "a cluster's account pays for jobs only" },
  X402_SHARE_UNWANTED: {
    status: 402,
    reason: "voucher_share_unwanted",
    message: "the channel has no cluster and share",
  },
  X402_VOUCHER_NOT_NEXT: {
    status: 402,
    reason: "voucher_not_next",
    message: "the voucher does not follow the one that is held",
  },
  X402_RESERVE_SHORT: { status: 402, reason: "reserve_short", message: "the reserve does not cover it; top it up" },
  X402_TOP_UP_TOO_SMALL: {
    status: 402,
    reason: "top_up_too_small",
    message: "a top-up is at least what the terms name as topUp",
  },
  X402_NETWORK_WRONG: {
    status: 402,
    reason: "invalid_exact_evm_network_mismatch",
    message: "it is for another network",
  },
  X402_SCHEME_UNSUPPORTED: { status: 402, reason: "unsupported_scheme", message: "no such scheme is offered" },
  X402_HEADER_TOO_LONG: { status: 400, reason: "invalid_payload", message: "the payment header is too long" },
  X402_HEADER_NOT_BASE64: { status: 400, reason: "invalid_payload", message: "the payment header is not base64" },
  X402_HEADER_NOT_JSON: { status: 400, reason: "invalid_payload", message: "the payment header holds no JSON" },
  X402_VERSION_UNSUPPORTED: { status: 400, reason: "invalid_x402_version", message: "x402 version 2 is spoken here" },
  X402_PAYLOAD_INVALID: { status: 400, reason: "invalid_payload", message: "the payment does not have its form" },
  X402_PAYMENT_PENDING: {
    status: 503,
    reason: "settlement_pending",
    message: "the payment is on its way; ask again, nothing is taken twice",
  },
  X402_SETTLEMENT_UNAVAILABLE: {
    status: 503,
    reason: "settlement_unavailable",
    message: "this node cannot settle now; nothing was taken",
  },
  X402_CHAIN_UNAVAILABLE: {
    status: 503,
    reason: "chain_unavailable",
    message: "the chain cannot be asked; nothing was taken",
  },
  X402_STORE_UNAVAILABLE: {
    status: 503,
    reason: "store_unavailable",
    message: "this node cannot write down what is paid; ask again",
  },
  X402_TOO_MANY_REFUSED: {
    status: 503,
    reason: "too_many_refused",
    message:
      "the chain refused several of this payer's payments, which are still valid; ask again when they have ended",
  },
  X402_HOLDS_ENOUGH: {
    status: 503,
    reason: "holds_enough",
    message: "this node takes no more until what it holds was paid out; nothing was taken",
  },
  X402_BUSY: { status: 503, reason: "busy", message: "too many payments at once; nothing was taken" },
};
