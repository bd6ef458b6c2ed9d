import { CodedError } from "@leat/sdk/base/errors.ts";

/** What can go wrong between two peers, seen from this side. None of it ever leaves the process. */
export class WireError extends CodedError<
  | { code: "WIRE_MESSAGE_TOO_LARGE"; sizeBytes: number; maxBytes: number }
  | { code: "WIRE_MESSAGE_EMPTY" }
  /** The stream ended inside a message. */
  | { code: "WIRE_MESSAGE_CUT"; missingBytes: number }
  | { code: "WIRE_MESSAGE_INVALID"; reason: string }
  /** Our own message does not fit its schema: a bug on this side. */
  | { code: "WIRE_MESSAGE_UNSENDABLE"; reason: string }
  | { code: "WIRE_STREAM_RESET" }
  | { code: "WIRE_STREAM_CLOSED" }
  /** The connection went away without a goodbye: the peer died or the network did. */
  | { code: "WIRE_CONNECTION_LOST" }
  | { code: "WIRE_PEER_SLOW"; waitedFor: "first message" | "rest of message" | "room to send" | "close" | "answer" }
  | { code: "WIRE_PEER_WRONG"; wanted: string; found: string }
  | { code: "WIRE_PEER_BANNED"; peer: string }
  | { code: "WIRE_KEY_UNSUPPORTED"; type: string }
  | { code: "WIRE_DIAL_FAILED"; peer: string }
  | { code: "WIRE_ADDRESS_MISSING"; peer: string }
  | { code: "WIRE_HOST_STOPPED" }
  | { code: "WIRE_PORT_BUSY"; listen: string }
  | { code: "WIRE_CALL_TIMEOUT"; method: string }
  | { code: "WIRE_CALLS_TOO_MANY"; waiting: number }
  | { code: "WIRE_ANSWER_INVALID"; method: string; reason: string }
> {}

/** The peer's refusal of a call, by its public code. */
export class RemoteError extends CodedError<{ code: string; method: string }> {}

/** What a handler throws to answer with a public code of its own choice. */
export class PublicError extends CodedError<{ code: string }> {}
