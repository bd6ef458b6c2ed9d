import { CodedError, isCodedError } from "@leat/sdk/base/errors.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { PublicError } from "../../wire/errors.ts";

/** Codes are public: nodes, buyers and publishers are told them, never the facts. */
export class BalancerError extends CodedError<
  | { code: "STREAM_UNKNOWN"; stream: string }
  | { code: "STREAM_KEY_UNKNOWN" }
  | { code: "STREAM_ENDED"; stream: Hex }
  | { code: "STREAM_CREDIT_EXHAUSTED" | "STREAM_SIGNER_SPENT" | "STREAM_RESERVE_SPENT"; stream: Hex }
  | { code: "STREAM_LADDER_INVALID"; reason: string }
  | { code: "LADDER_CODEC_UNSOLD"; codec: string }
  | { code: "STREAM_LADDER_MISSING"; codec: string }
  | { code: "STREAM_TOKEN_UNKNOWN"; token: string }
  | { code: "STREAM_PULLS_EXCEEDED"; limit: number }
  | { code: "PULL_NOT_YOURS"; stream: Hex }
  | { code: "RESTREAM_NOT_YOURS"; stream: Hex }
  | { code: "RESTREAM_NAME_TWICE"; name: string }
  | { code: "PUBLISH_LEASE_HELD"; stream: Hex; ageMs: number }
  | { code: "PUBLISH_LEASE_LOST"; stream: Hex }
  | { code: "PUBLISH_NODE_WRONG"; stream: Hex }
  | { code: "PUBLISH_TICKET_INVALID" | "PUBLISH_TICKET_EXPIRED" | "PUBLISH_TICKET_USED" }
  | { code: "PUBLISH_TICKET_NODE_WRONG" | "PUBLISH_TICKET_STREAM_WRONG" }
  | { code: "BUYER_UNFUNDED"; token: string; neededExact: bigint; reserveExact: bigint }
  | { code: "BUYER_AGENT_ABSENT" | "BUYER_REPUTATION_LOW"; buyer: Hex }
  | { code: "PRICE_ABOVE_CEILING"; unit: string; price: bigint; ceiling: bigint }
  | { code: "PLACEMENT_NOBODY"; primitive: string }
  | { code: "JOB_UNKNOWN"; job: Hex }
  | { code: "JOB_NOT_YOURS"; job: Hex }
  | { code: "RECEIPT_SIGNER_WRONG"; job: Hex }
  | { code: "RECEIPT_QUOTE_WRONG"; job: Hex }
  | { code: "RECEIPT_KIND_WRONG"; job: Hex }
  | { code: "RECEIPT_RANGE_WRONG"; job: Hex; seq: bigint }
  | { code: "RECEIPT_LEAVES_WRONG"; job: Hex; reason: string }
  | { code: "RECEIPT_CONFLICT"; job: Hex; seq: bigint }
  | { code: "ATTEMPT_END_UNKNOWN"; job: Hex; attempt: number }
  | { code: "CHECK_NOT_YOURS"; job: Hex }
  | { code: "CHECK_SIGNER_WRONG"; job: Hex }
  | { code: "CHECK_RECEIPT_WRONG"; job: Hex }
  | { code: "CHECK_TOO_LATE"; job: Hex; seq: bigint }
  | { code: "OPERATOR_UNKNOWN"; node: Hex }
  | { code: "OPERATOR_NOT_MEMBER"; operator: Hex }
  | { code: "CANDIDATE_UNKNOWN"; root: Hex }
  | { code: "SELECTION_UNKNOWN"; id: string }
> {}

/** Tells a peer the code of an expected failure; anything else stays a bug of ours. */
export async function answerPublicly<T>(answer: () => Promise<T>): Promise<T> {
  try {
    return await answer();
  } catch (error) {
    if (isCodedError(error)) throw new PublicError({ code: error.code }, { cause: error });
    throw error;
  }
}
