import { CodedError } from "@leat/sdk/base/errors.ts";

export class DeliveryError extends CodedError<
  | { code: "DELIVERY_ORIGIN_REFUSED"; reason: string }
  | { code: "DELIVERY_ORIGIN_LOST" }
  | { code: "DELIVERY_ORIGIN_CHANGED" }
  | { code: "DELIVERY_MESSAGE_UNEXPECTED"; found: string }
  | { code: "DELIVERY_PART_UNMARKED"; rung: number; sequence: number; part: number }
  | { code: "DELIVERY_PART_ALTERED"; rung: number; sequence: number; part: number }
  | { code: "DELIVERY_SEGMENT_TOO_LARGE"; sizeBytes: number; maxBytes: number }
  | { code: "DELIVERY_RUNG_WITHHELD" | "DELIVERY_SEGMENTS_CUT"; rung: number }
  | { code: "DELIVERY_PARENT_SILENT" | "DELIVERY_PARENT_LATE" | "DELIVERY_PARENT_CHANGED" | "DELIVERY_PARENT_ENDED" }
  | { code: "DELIVERY_FEEDS_FULL" | "DELIVERY_ORIGIN_OTHER" | "DELIVERY_ASKED_AGAIN" }
  | { code: "DELIVERY_ENDED" }
  | { code: "CREDIT_EXHAUSTED" | "CREDIT_SIGNER_SPENT" | "CREDIT_RESERVE_SPENT" }
> {}

/** The work was stopped before it was unpaid. */
export function isUnpaid(code: string): boolean {
  return ["CREDIT_EXHAUSTED", "CREDIT_SIGNER_SPENT", "CREDIT_RESERVE_SPENT"].includes(code);
}
