import { CodedError } from "@leat/sdk/base/errors.ts";
import type { SourceVideoCodec } from "@leat/sdk/protocol/frame.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";

/** Codes of an origin; those that a peer is told are public. */
export class IngestError extends CodedError<
  | { code: "INGEST_STREAM_NOT_READY" }
  | { code: "STREAM_ENDED" }
  | { code: "INGEST_STREAM_PUBLISHED" }
  | { code: "PUBLISH_LEASE_HELD"; stream: Hex; ageMs: number }
  | { code: "INGEST_LEASE_LOST"; reason: string }
  | { code: "INGEST_STOPPED" }
  | { code: "INGEST_PUBLISHER_REPLACED" }
  | { code: "INGEST_BALANCER_AWAY" }
  | { code: "INGEST_NODE_UNPAID" }
  | { code: "INGEST_KEYS_LIMITED" }
  | { code: "INGEST_LADDER_MISSING"; codec: SourceVideoCodec }
  | { code: "INGEST_MESSAGE_UNEXPECTED"; found: string }
  | { code: "INGEST_OUTPUT_TOO_LARGE"; sizeBytes: number; maxBytes: number }
  | { code: "INGEST_PEER_NOT_READING"; sizeBytes: number; maxBytes: number }
  | { code: "INGEST_ATTEMPT_REPLACED" }
  | { code: "INGEST_TRANSCODER_LATE"; segments: number }
  | { code: "INGEST_RECEIPT_WRONG"; field: string }
  | { code: "INGEST_RENDITIONS_SHORT"; sequence: number }
  | { code: "INGEST_PART_ENDLESS"; rung: number; sequence: number }
  | { code: "INGEST_CHECK_FAILED"; sequence: number; reason: string }
  | { code: BuyerStop }
> {}

/** A stream whose buyer can pay for no more: its publisher hears that, and not that it lost its place. */
const buyerStops = ["STREAM_CREDIT_EXHAUSTED", "STREAM_SIGNER_SPENT", "STREAM_RESERVE_SPENT"] as const;
type BuyerStop = (typeof buyerStops)[number];

/** What a publisher hears whose stream the balancer took from this node, by the balancer's reason. */
export function lossOf(reason: string): IngestError {
  const stop = buyerStops.find((code) => code === reason);
  return new IngestError(stop === undefined ? { code: "INGEST_LEASE_LOST", reason } : { code: stop });
}
