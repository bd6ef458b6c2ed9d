import { type ErrorTexts, saidByThrower } from "./error-text.ts";

const signAgain = "sign what the node asks for in PAYMENT-REQUIRED; docs/buyers/pay-by-http.md shows how";

/** Payments by HTTP, to those who pay and to those who are paid. */
export const paymentTexts = {
  X402_HEADER_TOO_LONG: { happened: "the payment has {length} characters, {most} are read", todo: signAgain },
  X402_HEADER_NOT_BASE64: { happened: "the payment is no base64", todo: signAgain },
  X402_HEADER_NOT_JSON: { happened: "the payment is no JSON", todo: signAgain },
  X402_VERSION_UNSUPPORTED: { happened: "the payment is of version {found}", todo: "pay by version 2 of x402" },
  X402_PAYLOAD_INVALID: { happened: "{field} of the payment is missing or wrong", todo: signAgain },
  X402_NETWORK_WRONG: { happened: "the payment is for {found}, wanted is {wanted}", todo: signAgain },
  X402_SCHEME_UNSUPPORTED: { happened: "the scheme {found} is not taken here", todo: signAgain },
  X402_PAYMENT_REQUIRED: { happened: "this costs money", todo: signAgain },
  X402_TOKEN_INVALID: { happened: "the token of the balance is none", todo: "pay again for a new one" },
  X402_TOKEN_EXPIRED: { happened: "the token of the balance has ended", todo: "pay again for a new one" },
  X402_BALANCE_SHORT: {
    happened: "{heldExact|exact} whole tokens are left, and {wantedExact|exact} are needed",
    todo: "pay again",
  },
  X402_SIGNATURE_INVALID: { happened: "the signature is none: {reason}", todo: signAgain },
  X402_SIGNER_WRONG: { happened: "{found} signed, and {wanted} pays", todo: signAgain },
  X402_PAYEE_WRONG: { happened: "the payment is for {found}, and this node is {wanted}", todo: signAgain },
  X402_ASSET_WRONG: { happened: "the payment is in {found}, wanted is {wanted}", todo: signAgain },
  X402_VALUE_TOO_SMALL: { happened: "{offered} base units were offered, {wanted} are wanted", todo: signAgain },
  X402_VALUE_TOO_LARGE: { happened: "{offered} base units were offered, {most} are taken at most", todo: signAgain },
  X402_NOT_YET_VALID: { happened: "the payment is not valid before {validAfter}", todo: "look at both clocks" },
  X402_EXPIRED: { happened: "the payment ended at {validBefore}", todo: signAgain },
  X402_VALID_TOO_LONG: { happened: "the payment ends at {validBefore}, {latest} is the latest", todo: signAgain },
  X402_NONCE_USED: { happened: "the payment {nonce} was used before", todo: "sign one with another nonce" },
  X402_TOO_MANY_REFUSED: { happened: "{most} payments of this payer were refused today", todo: "come back tomorrow" },
  X402_HOLDS_ENOUGH: { happened: "{held} base units are held of {most} at most", todo: "spend them first" },
  X402_FUNDS_SHORT: { happened: "the payer has {found} base units, {wanted} are signed for", todo: "send money to it" },
  X402_SETTLEMENT_REFUSED: { happened: "the token refused the payment: {reason}", todo: signAgain },
  X402_PAYMENT_PENDING: { happened: "an earlier payment is not in a block yet", todo: "ask again in a minute" },
  X402_SETTLEMENT_UNAVAILABLE: { happened: "the payment cannot be sent now: {reason}", todo: "ask again later" },
  X402_CHAIN_UNAVAILABLE: { happened: "the node does not reach its chain", todo: "ask again later" },
  X402_STORE_UNAVAILABLE: { happened: "the node cannot write payments down", todo: "ask another node" },
  X402_BUSY: { happened: "too many payments are under way", todo: "ask again in a few seconds" },
  X402_PAYER_IS_CLUSTER: { happened: "{payer} is a cluster, which does not pay by HTTP", todo: "pay from an account" },
  X402_SHARE_UNWANTED: {
    happened: "the voucher is of cluster {cluster} with a share of {clusterPpm} ppm",
    todo: signAgain,
  },
  X402_VOUCHER_INVALID: { happened: "{field} of the voucher is wrong", todo: signAgain },
  X402_VOUCHER_NOT_NEXT: { happened: "{seq} is not the voucher's next number", todo: "take the node's own voucher on" },
  X402_RESERVE_SHORT: { happened: "the reserve has {reserve} base units, {wanted} are needed", todo: "top it up" },
  X402_TOP_UP_TOO_SMALL: { happened: "{offered} base units were offered, {wanted} are the least", todo: "offer more" },
  X402_TOKEN_UNSUPPORTED: saidByThrower,
  X402_PRICE_MISSING: saidByThrower,
  X402_TOKEN_COST_MISSING: saidByThrower,
  X402_CLIENT_TERMS_INVALID: { happened: "{field} of what the node asks for is wrong", todo: "ask another node" },
  X402_CLIENT_ESCROW_FOREIGN: {
    happened: "the node wants payment into {found}, and your network's escrow is {wanted}",
    todo: "do not pay; look at the network file",
  },
  X402_CLIENT_ASSET_FOREIGN: {
    happened: "the node wants to be paid in {found}, and your network's USDC is {wanted}",
    todo: "do not pay; look at the network file",
  },
  X402_CLIENT_RAISE_TOO_LARGE: {
    happened: "the node asks for {asked} base units at once, and you allow {most}",
    todo: "raise the bound, if its price is fair",
  },
  X402_CLIENT_RESERVE_LIMIT: {
    happened: "the node would have {wanted} base units of yours signed or reserved for it, and you allow {most}",
    todo: "raise the bound, if you trust the node with that",
  },
} satisfies ErrorTexts;
