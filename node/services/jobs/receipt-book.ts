import type { Payee } from "@leat/node/services/payment/index.ts";
import { type Domain, hashStatement } from "@leat/sdk/protocol/eip712.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { hashPartLeaf, merkleRoot, type PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import type { ReceiptKind } from "@leat/sdk/protocol/receipt-proof.ts";
import { type Receipt, receiptStructure } from "@leat/sdk/protocol/signed.ts";
import type { Signed, StatementSigner } from "@leat/sdk/protocol/statements.ts";
import { costExact } from "@leat/sdk/protocol/units.ts";
import type { LevelAttemptStore } from "../../store/attempts.ts";
import type { LevelReceiptStore } from "../../store/receipts.ts";
import { JobError } from "./assignment.ts";
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

/** One attempt, named. */
export interface AttemptKey {
  readonly job: Hex;
  readonly attempt: number;
}

/**
 * Signs receipts so that no two of one segment differ, whatever happens to this node:
 * an attempt begins once in the life of the key (`begin`, durable), within it a segment is signed once (`issue`, durable
 * before anybody sees it), and when it is over nothing more is signed for it (`end`), so that its receipts can be
 * forgotten.
 */
export interface ReceiptBook {
  /** Call once, before the first attempt. @throws STORE_NOT_OF_KEY */
  open(): Promise<void>;
  /** @throws JOB_ASSIGNMENT_STALE where this attempt or a later one began before, by this process or an earlier one. */
  begin(attempt: AttemptKey): Promise<void>;
  /**
   * Signs the receipt of one segment, puts it on disk, books it as earned and has it sent to the balancer. When this
   * resolves the receipt may be shown to anybody: a restart will not sign another one for the same segment.
   * @throws JOB_ATTEMPT_OVER, STORE_RECEIPT_DIFFERENT
   */
  issue(job: AssignedJob, work: Work): Promise<Signed<Receipt>>;
  /** Nothing more is signed for it. Resolves when its acknowledged receipts are forgotten. */
  end(attempt: AttemptKey): Promise<void>;
}

export interface ReceiptBookComponents {
  readonly signer: StatementSigner;
  readonly domain: Domain;
  readonly outbox: Pick<Outbox, "post">;
  readonly payee: Pick<Payee, "earned">;
  readonly attempts: Pick<LevelAttemptStore, "open" | "begin">;
  readonly store: Pick<LevelReceiptStore<unknown>, "forget">;
}

export function createReceiptBook(components: ReceiptBookComponents): ReceiptBook {
  const { signer, domain, outbox, payee, attempts, store } = components;
  /** Of attempts that run: what is being issued, which must be on disk before anything of theirs is forgotten. */
  const running = new Map<string, Set<Promise<unknown>>>();

  async function issue(job: AssignedJob, work: Work): Promise<Signed<Receipt>> {
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
  }

  return {
    async open() {
      await attempts.open();
      // No attempt of an earlier process begins again: what is acknowledged of them needs no mark of its own.
      await store.forget("receipt/");
    },
    async begin({ job, attempt }) {
      const held = await attempts.begin(job, attempt);
      if (held !== undefined) throw new JobError({ code: "JOB_ASSIGNMENT_STALE", held, offered: attempt });
      running.set(attemptPrefix({ job, attempt }), new Set());
    },
    async issue(job, work) {
      const issuing = running.get(attemptPrefix(job));
      if (issuing === undefined) {
        throw new JobError({ code: "JOB_ATTEMPT_OVER", job: job.job, attempt: job.attempt });
      }
      const issued = issue(job, work);
      issuing.add(issued);
      try {
        return await issued;
      } finally {
        issuing.delete(issued);
      }
    },
    async end(attempt) {
      const prefix = attemptPrefix(attempt);
      const issuing = running.get(prefix);
      if (issuing === undefined) return;
      running.delete(prefix);
      await Promise.allSettled(issuing);
      await store.forget(prefix);
    },
  };
}

/** Keys sort by job, attempt and segment. */
export function receiptKey(value: Pick<Receipt, "job" | "attempt" | "seq">): string {
  return `${attemptPrefix(value)}${value.seq.toString().padStart(20, "0")}`;
}

function attemptPrefix({ job, attempt }: AttemptKey): string {
  return `receipt/${job}/${String(attempt).padStart(10, "0")}/`;
}
