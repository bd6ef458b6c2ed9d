import type { CostInfo, JobInfo, ReceiptInfo } from "@leat/sdk/client/actions/streams.ts";
import {
  type ReceiptContext,
  type ReceiptFault,
  type VerifiedReceipt,
  verifyReceipt,
} from "@leat/sdk/client/verify-receipt.ts";
import { renderTable } from "./output.ts";

/** One that cannot be read has its faults alone. */
export type ListedReceipt = ReadReceipt | { readonly faults: readonly ReceiptFault[] };

/** With the part of the stream that it is of, as its job says: `ingest`, a codec family, `primary` or `fallback`. */
export type ReadReceipt = VerifiedReceipt & { readonly part: string };

export interface ReceiptList {
  /** Those that came last; the newest segment first. */
  readonly receipts: readonly ListedReceipt[];
  /** There are older ones. */
  readonly isCut: boolean;
  /** How many the cluster counts. */
  readonly counted: number;
}

export type ReceiptJob = Pick<JobInfo, "job" | "part"> & {
  readonly attempts: readonly { readonly cost: Pick<CostInfo, "receipts"> }[];
};

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
  jobs: readonly ReceiptJob[],
): Promise<ReceiptList> {
  const parts = new Map(jobs.map(({ job, part }) => [job, part]));
  const counted = jobs.flatMap(({ attempts }) => attempts).reduce((sum, { cost }) => sum + cost.receipts, 0);
  const unreadable: ListedReceipt[] = [];
  const read: ReadReceipt[] = [];
  const seen = new Set<string>();
  let isCut = false;
  for await (const shown of all) {
    isCut = unreadable.length + read.length === limit;
    if (isCut) break;
    const verified = await verifyReceipt(shown, context);
    if (!("hash" in verified)) {
      unreadable.push(verified);
      continue;
    }
    const { job, attempt, seq } = verified.receipt;
    const key = `${job} ${attempt} ${seq}`;
    const faults = seen.has(key) ? [...verified.faults, "RECEIPT_REPEATED" as const] : verified.faults;
    seen.add(key);
    read.push({ ...verified, faults, part: parts.get(job) ?? verified.kind });
  }
  read.sort(bySegment);
  return { receipts: [...unreadable, ...read], isCut, counted };
}

function bySegment(one: ReadReceipt, other: ReadReceipt): number {
  return Number(other.receipt.seq - one.receipt.seq) || (one.part < other.part ? -1 : 1);
}

/** What was done, by whom, and whether what was signed says so. */
export function renderReceipts({ receipts, isCut, counted }: ReceiptList): string {
  const missing = !isCut && counted > receipts.length ? [`the cluster says that there are ${counted}`] : [];
  if (receipts.length === 0) return ["no receipts", ...missing].join("; ");
  const read = receipts.filter((one) => "hash" in one);
  const rows = read.map(({ receipt, part, node, proof, checkers, hash, faults }) => ({
    segment: receipt.seq,
    part,
    node,
    frames: receipt.frames,
    ms: receipt.durationMs,
    bytes: receipt.sizeBytes,
    proof: faults.length === 0 ? proof : "see below",
    "checked by": checkers.join(" "),
    receipt: hash,
  }));
  const faults = receipts.flatMap((one) => {
    const name = "hash" in one ? one.hash : "one of them";
    return one.faults.map((fault) => `${fault}: ${name}: ${faultWords[fault]}`);
  });
  const shown = isCut ? `the ${receipts.length} that came last; --limit shows more` : `all ${receipts.length} shown`;
  return [
    ...(rows.length === 0 ? [] : [renderTable(rows)]),
    [
      ...(faults.length === 0 ? [allHold] : faults),
      ...(isCut ? [] : listGaps(read)),
      aboutProofs,
      [shown, ...missing].join("; "),
    ].join("\n"),
  ].join("\n\n");
}

const allHold =
  "each is signed by a node that the chain knows, over the parts that it lists, and each check by who may make it";
const aboutProofs =
  "unproven: of ingest there is nothing to check; unchecked: others were drawn to be checked, or nobody did yet";

/** Segments between the first and the last of a part that nobody signed: nobody is paid for them, and players miss them. */
function listGaps(read: readonly ReadReceipt[]): string[] {
  // Edges sign what somebody watched.
  const made = Map.groupBy(
    read.filter(({ kind }) => kind !== "delivery"),
    ({ part }) => part,
  );
  return [...made].flatMap(([part, receipts]) => {
    const numbers = [...new Set(receipts.map(({ receipt: { seq } }) => Number(seq)))].sort((one, other) => one - other);
    const gaps = numbers.flatMap((seq, at) => {
      const next = numbers[at + 1];
      if (next === undefined || next === seq + 1) return [];
      return next === seq + 2 ? `${seq + 1}` : `${seq + 1}-${next - 1}`;
    });
    return gaps.length === 0 ? [] : [`${part}: no receipt of ${gaps.join(", ")}`];
  });
}
