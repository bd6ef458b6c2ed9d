import type { JobInfo, ReceiptInfo } from "@leat/sdk/client/actions/streams.ts";
import {
  type ReceiptContext,
  type ReceiptFault,
  type VerifiedReceipt,
  verifyReceipt,
} from "@leat/sdk/client/verify-receipt.ts";
import { renderTable } from "./output.ts";

/** One that cannot be read has its faults alone. */
export type ListedReceipt = VerifiedReceipt | { readonly faults: readonly ReceiptFault[] };

export interface ReceiptList {
  /** Newest first. */
  readonly receipts: readonly ListedReceipt[];
  /** There are older ones. */
  readonly isCut: boolean;
}

const faultWords: Readonly<Record<ReceiptFault, string>> = {
  RECEIPT_UNREADABLE: "it cannot be read, or nobody signed it",
  RECEIPT_OTHER: "what was signed is another's, or of other work",
  RECEIPT_NODE_UNKNOWN: "who signed it is no operator's node",
  RECEIPT_PARTS_WRONG: "what was signed is not of the parts that are listed",
  RECEIPT_REPEATED: "the same work is listed twice",
  CHECK_UNREADABLE: "a check of it cannot be read, or nobody signed it",
  CHECK_OTHER: "a check of it is of another receipt",
  CHECK_SIGNER_WRONG: "who signed a check of it has nothing to say of it",
  RECEIPT_PROOF_WRONG: "it is said to be proven otherwise than its checks say",
};

/** Reads the newest and verifies each as it comes. */
export async function readReceipts(
  all: AsyncIterable<ReceiptInfo>,
  limit: number,
  context: ReceiptContext,
): Promise<ReceiptList> {
  const receipts: ListedReceipt[] = [];
  const seen = new Set<string>();
  for await (const shown of all) {
    if (receipts.length === limit) return { receipts, isCut: true };
    const verified = await verifyReceipt(shown, context);
    const key = "hash" in verified ? keyOf(verified) : "";
    const isRepeated = key !== "" && seen.has(key);
    receipts.push(isRepeated ? { ...verified, faults: [...verified.faults, "RECEIPT_REPEATED"] } : verified);
    seen.add(key);
  }
  return { receipts, isCut: false };
}

/** What was done, by whom, and whether what was signed says so. */
export function renderReceipts(
  { receipts, isCut }: ReceiptList,
  jobs: readonly Pick<JobInfo, "job" | "part">[],
): string {
  if (receipts.length === 0) return "no receipts";
  const parts = new Map(jobs.map(({ job, part }) => [job, part]));
  const readable = receipts.filter((one) => "hash" in one);
  const rows = readable.map(({ receipt, kind, node, proof, checkers, hash }) => ({
    segment: receipt.seq,
    part: parts.get(receipt.job) ?? kind,
    node,
    frames: receipt.frames,
    ms: receipt.durationMs,
    bytes: receipt.sizeBytes,
    proof,
    "checked by": checkers.join(" "),
    receipt: hash,
  }));
  const faults = receipts.flatMap((one) => {
    const name = "hash" in one ? one.hash : "one of them";
    return one.faults.map((fault) => `${fault}: ${name}: ${faultWords[fault]}`);
  });
  const shown = `the newest ${receipts.length} shown; --limit shows more`;
  return [
    ...(rows.length === 0 ? [] : [renderTable(rows)]),
    faults.length === 0
      ? "each is signed by a node that the chain knows, over the parts that it lists, and each check by who may make it"
      : faults.join("\n"),
    isCut ? shown : `all ${receipts.length} shown`,
  ].join("\n\n");
}

function keyOf({ receipt: { job, attempt, seq } }: VerifiedReceipt): string {
  return `${job} ${attempt} ${seq}`;
}
