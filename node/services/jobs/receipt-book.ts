import type { Payee } from "@leat/node/services/payment/index.ts";
import type { ReceiptKind } from "@leat/node/wire/session/messages.ts";
import { type Domain, hashStatement } from "@leat/sdk/protocol/eip712.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { hashPartLeaf, merkleRoot, type PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import { type Receipt, receiptStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed, StatementSigner } from "@leat/sdk/protocol/statements.ts";
import { costExact } from "@leat/sdk/protocol/units.ts";
import type { AssignedJob } from "./job-desk.ts";
import type { Outbox } from "./outbox.ts";

/** One segment's work of a job, before it is signed. */
export interface Work {
  readonly sequence: number;
  readonly inputHash: Hex;
  readonly leaves: readonly PartLeaf[];
  readonly firstFrame: number;
  readonly frames: number;
  readonly durationMs: number;
  /** What is paid, in the job's own unit. */
  readonly units: bigint;
}

export interface ReceiptBook {
  /**
   * Signs the receipt of one segment, puts it on disk, books it as earned and has it sent to the balancer. When this
   * resolves the receipt may be shown to anybody: a restart will not sign another one for the same segment.
   */
  issue(job: AssignedJob, work: Work): Promise<Signed<Receipt>>;
}

export interface ReceiptBookComponents {
  readonly signer: StatementSigner;
  readonly domain: Domain;
  readonly outbox: Pick<Outbox, "post">;
  readonly payee: Pick<Payee, "earned">;
}

export function createReceiptBook({ signer, domain, outbox, payee }: ReceiptBookComponents): ReceiptBook {
  return {
    async issue(job, work) {
      const value: Receipt = {
        job: job.job,
        seq: BigInt(work.sequence),
        attempt: job.attempt,
        quoteHash: job.assignment.value.quoteHash,
        inputHash: work.inputHash,
        outputRoot: merkleRoot(work.leaves.map(hashPartLeaf)),
        firstFrame: BigInt(work.firstFrame),
        frames: work.frames,
        durationMs: work.durationMs,
        sizeBytes: work.leaves.reduce((sum, leaf) => sum + leaf.sizeBytes, 0n),
      };
      const receipt = { value, signature: await signer.sign(receiptStructure, domain, value) };
      const kind: ReceiptKind = job.spec.primitive;
      await outbox.post(receiptKey(value), { method: "receipt.submit", body: { receipt, leaves: work.leaves, kind } });
      await payee.earned({
        job: job.job,
        attempt: job.attempt,
        seq: value.seq,
        channel: job.channel,
        exact: costExact(job.price, work.units),
        receiptHash: hashStatement(receiptStructure, domain, value),
      });
      return receipt;
    },
  };
}

/** Keys sort by job, attempt and segment. */
function receiptKey({ job, attempt, seq }: Receipt): string {
  return `receipt/${job}/${String(attempt).padStart(10, "0")}/${seq.toString().padStart(20, "0")}`;
}
