import type { Hex } from "./hex.ts";
import { type CheckResult, checkVerdicts } from "./signed.ts";

export type ReceiptKind = "ingest" | "transcode" | "delivery";

/** What is known of a receipt's work. Ingest is paid unproven; of a codec the cluster draws what is checked. */
export type ReceiptProof = "unproven" | "unchecked" | "checked" | "failed";

/**
 * A check of a codec is of one receipt. One of an edge is of a segment: it names whatever receipt the bytes were compared
 * with, mostly that of who made them.
 */
export function proofOf(
  kind: ReceiptKind,
  receiptHash: Hex,
  checks: readonly Pick<CheckResult, "verdict" | "receiptHash">[],
): ReceiptProof {
  if (kind === "ingest") return "unproven";
  const own = checks.filter((check) => kind === "delivery" || check.receiptHash === receiptHash);
  if (own.some(({ verdict }) => verdict === checkVerdicts.failed)) return "failed";
  return own.some(({ verdict }) => verdict === checkVerdicts.passed) ? "checked" : "unchecked";
}
