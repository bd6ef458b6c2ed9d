import { isCodedError } from "@leat/sdk/base/errors.ts";
import { isBadWork } from "@leat/sdk/protocol/bad-work.ts";
import { hubChannel } from "@leat/sdk/protocol/channel.ts";
import { hashStatement } from "@leat/sdk/protocol/eip712.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { priceUnitOf } from "@leat/sdk/protocol/job.ts";
import {
  type CheckResult,
  checkResultStructure,
  checkVerdicts,
  type Receipt,
  receiptStructure,
} from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import { KeyedMutex } from "../../kernel/keyed-mutex.ts";
import { retailPrices } from "../../market/pricing.ts";
import { checkLeaves, checkPixels, countUnits, priceReceipt } from "../../metering/usage.ts";
import type { AttemptRow, JobRow, ReceiptRow } from "../../store/sql/job-store.ts";
import type { ReceiptSubmit } from "../../wire/session/messages.ts";
import type { AttemptRanges } from "./attempt-ranges.ts";
import type { CandidateBook } from "./candidates.ts";
import type { DeliveryBudget } from "./delivery-budget.ts";
import { BalancerError } from "./errors.ts";
import type { GuiltyNodes } from "./guilty-nodes.ts";
import { isRunning, type JobBook } from "./job-book.ts";
import { MAX_SEQUENCE, originCheck, probeCheck } from "./limits.ts";
import type { BalancerComponents } from "./ports.ts";
import type { StreamBook } from "./stream-book.ts";
import type { UnpaidWork } from "./unpaid-work.ts";

export interface AccountingParts {
  readonly streams: StreamBook;
  readonly candidates: CandidateBook;
  readonly jobs: Pick<JobBook, "originAt" | "find" | "job" | "attempt">;
  readonly unpaid: UnpaidWork;
  readonly ranges: AttemptRanges;
  readonly budget: Pick<DeliveryBudget, "spend">;
  readonly guilty: GuiltyNodes;
  /** A receipt is booked, and its buyer may be told. It may be said twice, where its check and its booking meet. */
  readonly onReceipt: (row: ReceiptRow, buyer: Address) => void;
  /** Somebody who may say so found bad work. */
  readonly onBadWork: (job: Hex, attempt: number) => Promise<void>;
}

/** Turns receipts and checks into what the cluster owes its nodes and its buyers owe the cluster. */
export class Accounting {
  readonly #components: BalancerComponents;
  readonly #parts: AccountingParts;
  /** Of several receipts of one segment the first one stands: those of one job are taken one after the other. */
  readonly #mutex = new KeyedMutex<Hex>();
  readonly #accepted;
  readonly #refused;

  constructor(components: BalancerComponents, parts: AccountingParts) {
    this.#components = components;
    this.#parts = parts;
    this.#accepted = components.metrics.counter({
      name: "leat_balancer_receipts_total",
      help: "Receipts that were accepted, by kind of work",
      labelNames: ["kind"],
    });
    this.#refused = components.metrics.counter({
      name: "leat_balancer_receipts_refused_total",
      help: "Receipts that were refused",
    });
  }

  /** What a crash cut off: receipts on disk that the books do not have, and checks or reports not told to them. */
  async recover(): Promise<void> {
    const { jobStore, payer, payee } = this.#components;
    // Before its receipts are booked: of one that lied they are worth nothing.
    await this.#parts.guilty.recover();
    for (const row of await jobStore.unbooked()) await this.#book(row);
    // Killed between the result and what follows from it: its checker was answered, or is not heard twice.
    for (const row of await jobStore.badAttempts()) {
      if (row.state === "running") await this.#parts.onBadWork(row.job, row.attempt);
      else if (isBadWork(row.endCode)) await this.#forfeit(row);
    }
    for (const { job, attempt, seq } of [...(await payer.waiting()), ...(await payee.waiting())]) {
      const row = await jobStore.receiptAt(job, attempt, Number(seq));
      if (row?.writtenOff) await this.#parts.unpaid.closeBooks(row);
      else if (row !== undefined) {
        await this.#releaseOver(row);
        await this.#pass(row);
      }
    }
  }

  /** A node's receipt; on disk and in both books when it resolves. The same one again is accepted again. */
  async accept(from: Address, submit: ReceiptSubmit): Promise<{ accepted: true }> {
    const { guilty } = this.#parts;
    try {
      // What was given to it while it was being caught.
      await guilty.end(from);
      const row = await this.#mutex.run(submit.receipt.value.job, () => this.#store(from, submit));
      if (!row.booked) await this.#book(row);
      // The same one again: its node may have heard that what follows from it failed.
      else if (!row.writtenOff) await this.#pass(row);
      this.#accepted.add(1, { kind: submit.kind });
      return { accepted: true };
    } catch (error) {
      this.#refused.add();
      const isConflict = error instanceof BalancerError && error.code === "RECEIPT_CONFLICT";
      // Not while others wait for their turn: who lied may take its time to answer.
      if (isConflict) await this.#accuse(from, submit.receipt);
      throw error;
    }
  }

  /** A checker's verdict: the stream's origin for check 1, the stream's buyer for check 4. */
  async check(from: Address, check: Signed<CheckResult>, code: string | undefined): Promise<void> {
    const { hub, jobStore, statements, domain, clock } = this.#components;
    const { job, attempt, seq, check: kind, verdict } = check.value;
    const jobRow = await this.#parts.jobs.job(job);
    if (jobRow === undefined) throw new BalancerError({ code: "JOB_UNKNOWN", job });
    if (!(await this.#mayCheck(from, jobRow, kind, Number(seq))))
      throw new BalancerError({ code: "CHECK_NOT_YOURS", job });
    // A buyer's agent signs with its own key in its account's name.
    const signer = hub.nodes.get(from)?.hello.node ?? from;
    if (statements.recoverSigner(checkResultStructure, domain, check.value, check.signature) !== signer) {
      throw new BalancerError({ code: "CHECK_SIGNER_WRONG", job });
    }
    const node = (await this.#parts.jobs.attempt(job, attempt))?.node;
    if (node === undefined || seq >= MAX_SEQUENCE) throw new BalancerError({ code: "JOB_UNKNOWN", job });
    const row = {
      job,
      attempt,
      seq: Number(seq),
      check: kind,
      checker: from,
      verdict,
      code: code ?? null,
      statement: check,
      checkedAtMs: clock.nowMs(),
    };
    // The same one again: its checker may have heard that what follows from it failed.
    const isNew = await this.#parts.unpaid.addCheck(row);
    if (isNew && verdict !== checkVerdicts.unproven) {
      await this.#parts.candidates.recordWork(node, verdict === checkVerdicts.passed);
    }
    if (verdict === checkVerdicts.failed) await this.#parts.onBadWork(job, attempt);
    else {
      // The receipt may have come since it was looked for: of the two that come last, one must see the other.
      const receipt = await jobStore.receiptAt(job, attempt, Number(seq));
      // One that is not booked yet is passed by whoever books it.
      if (receipt?.booked) await this.#pass(receipt);
    }
  }

  /** The buyer's agent has it on disk: it may be asked to pay for it. */
  async reported(row: ReceiptRow): Promise<void> {
    // First what may be done twice: of what is marked nobody would do the rest.
    await this.#pass({ ...row, reported: true });
    await this.#components.jobStore.markReceipt(row.hash, { reported: true });
  }

  async #store(from: Address, { receipt, leaves, kind }: ReceiptSubmit): Promise<ReceiptRow> {
    const { jobStore, domain, clock } = this.#components;
    const { value } = receipt;
    const { job, attempt, seq } = value;
    const [jobRow, attemptRow] = await Promise.all([this.#parts.jobs.job(job), this.#parts.jobs.attempt(job, attempt)]);
    if (jobRow === undefined || attemptRow === undefined) throw new BalancerError({ code: "JOB_UNKNOWN", job });
    const hash = hashStatement(receiptStructure, domain, value);
    const known = await jobStore.receiptAt(job, attempt, Number(seq));
    if (known !== undefined) {
      if (known.hash === hash) return known;
      throw new BalancerError({ code: "RECEIPT_CONFLICT", job, seq });
    }
    await this.#checkReceipt(from, { receipt, leaves, kind }, jobRow, attemptRow);
    const stream = await this.#parts.streams.find(jobRow.stream);
    if (stream === undefined) throw new BalancerError({ code: "STREAM_UNKNOWN", stream: jobRow.stream });
    const unit = priceUnitOf(jobRow.spec);
    const retail = retailPrices(attemptRow.prices, stream.marginBps);
    const keep = async (mostUnits?: bigint): Promise<ReceiptRow> => {
      const usage = priceReceipt(unit, value, leaves, attemptRow.prices, mostUnits);
      const row: ReceiptRow = {
        hash,
        stream: stream.id,
        job,
        attempt,
        seq: Number(seq),
        kind,
        node: from,
        receipt,
        leaves,
        units: usage.units,
        paidUnits: usage.paidUnits,
        exact: usage.exact,
        retailExact: priceReceipt(unit, value, leaves, retail, mostUnits).exact,
        booked: false,
        reported: false,
        writtenOff: false,
        receivedAtMs: clock.nowMs(),
      };
      await jobStore.addReceipt(row);
      return row;
    };
    if (kind !== "delivery") return keep();
    const served = { job, attempt, bytes: countUnits(unit, value, leaves) };
    return this.#parts.budget.spend(stream, served, async ({ mostBytes, paidBytes }) => {
      const row = await keep(mostBytes);
      await this.#parts.streams.change(stream.id, { unsignedPaidBytes: paidBytes + row.paidUnits });
      return row;
    });
  }

  /** Two receipts of one work. */
  async #accuse(from: Address, second: Signed<Receipt>): Promise<void> {
    const { job, attempt, seq } = second.value;
    const known = await this.#components.jobStore.receiptAt(job, attempt, Number(seq));
    if (known?.node === from) await this.#parts.guilty.accuse(from, known.receipt, second);
  }

  /** Cheap rules before costly ones, the signature last. */
  async #checkReceipt(from: Address, submit: ReceiptSubmit, jobRow: JobRow, attempt: AttemptRow): Promise<void> {
    const { statements, domain } = this.#components;
    const { receipt, leaves, kind } = submit;
    const { job, seq, quoteHash } = receipt.value;
    if (attempt.node !== from) throw new BalancerError({ code: "JOB_NOT_YOURS", job });
    if (jobRow.primitive !== kind) throw new BalancerError({ code: "RECEIPT_KIND_WRONG", job });
    if (quoteHash !== attempt.assignment.value.quoteHash) throw new BalancerError({ code: "RECEIPT_QUOTE_WRONG", job });
    // One paid attempt per range: what comes after an attempt's end belongs to the next one.
    const isInside = seq < MAX_SEQUENCE && (await this.#parts.ranges.isOwn(jobRow, attempt, Number(seq)));
    if (!isInside) throw new BalancerError({ code: "RECEIPT_RANGE_WRONG", job, seq });
    try {
      checkLeaves(receipt.value, leaves);
      if (jobRow.spec.primitive === "transcode") checkPixels(receipt.value, leaves, jobRow.spec.rungs);
    } catch (cause) {
      if (!isCodedError(cause)) throw cause;
      throw new BalancerError({ code: "RECEIPT_LEAVES_WRONG", job, reason: cause.message }, { cause });
    }
    try {
      statements.verifySigned(receiptStructure, domain, receipt, from);
    } catch (cause) {
      if (!isCodedError(cause)) throw cause;
      throw new BalancerError({ code: "RECEIPT_SIGNER_WRONG", job }, { cause });
    }
  }

  /** Both books know a key already where a crash came in between, and then change nothing. */
  async #book(row: ReceiptRow): Promise<void> {
    const { payer, payee, jobStore, clusterAccount } = this.#components;
    const stream = await this.#parts.streams.find(row.stream);
    if (stream === undefined) return;
    const { job, attempt, hash: receiptHash } = row;
    const seq = BigInt(row.seq);
    const key = { job, attempt, seq, receiptHash };
    const toNode = hubChannel(clusterAccount, row.node, stream.token);
    const fromBuyer = hubChannel(stream.buyer, clusterAccount, stream.token);
    // An edge's last receipts come after its end, also after a restart that knows nothing of its lie.
    if (await this.#isForfeited(row)) await payer.forfeit(job, attempt, { passedToo: true });
    await payer.owe({ ...key, channel: toNode, exact: row.exact });
    await this.#releaseOver(row);
    // What an edge served beyond its budget is worth nothing to the cluster: no buyer is asked for it.
    if (row.retailExact > 0n) await payee.earned({ ...key, channel: fromBuyer, exact: row.retailExact });
    // The buyer that found it lying would refuse them, and all with them.
    if (await this.#isForfeited(row)) await payee.closeJob(job, attempt, { forfeit: true, passedToo: true });
    await jobStore.markReceipt(row.hash, { booked: true });
    await this.#pass({ ...row, booked: true });
  }

  /**
   * Releases the pay of a booked segment that may be paid, and has its buyer told: a transcode once it passed its check.
   * What the buyer owes waits until it was told.
   */
  async #pass(row: ReceiptRow): Promise<void> {
    const { payer, payee } = this.#components;
    const key = { job: row.job, attempt: row.attempt, seq: BigInt(row.seq) };
    if (row.kind === "transcode") {
      // Noted first: a result that comes while it is looked for takes it out again.
      this.#parts.unpaid.note(row);
      if (!(await this.#parts.unpaid.isProven(row))) return;
      this.#parts.unpaid.unjudged.delete(row.hash);
    }
    const isPaid = row.kind === "transcode" || !(await this.#isRefused(row));
    if (isPaid) await payer.passed(key);
    if (isPaid && row.reported) await payee.passed(key);
    if (row.reported) return;
    const stream = await this.#parts.streams.find(row.stream);
    if (stream !== undefined) this.#parts.onReceipt(row, stream.buyer);
  }

  /** Of an attempt that ended before this was booked nobody releases it any more. */
  async #releaseOver({ job, attempt }: ReceiptRow): Promise<void> {
    const live = this.#parts.jobs.find(job);
    if (live !== undefined && isRunning(live) && live.attempt.attempt === attempt) return;
    const ended = await this.#parts.jobs.attempt(job, attempt);
    if (ended === undefined || ended.state === "running" || isBadWork(ended.endCode)) return;
    await this.#components.payer.release(job, attempt);
  }

  /** Ingest is paid unproven; delivery unless a probe found it wrong. */
  async #isRefused(row: ReceiptRow): Promise<boolean> {
    if (row.kind === "ingest") return false;
    const checks = await this.#components.jobStore.checksAt(row.job, row.attempt, row.seq);
    return checks.some(({ verdict }) => verdict === checkVerdicts.failed) || this.#isForfeited(row);
  }

  /** Takes what an edge served before it was found lying out of both books, where that is not done. */
  async #forfeit({ job, attempt }: AttemptRow): Promise<void> {
    const { jobStore, payer, payee } = this.#components;
    if ((await jobStore.job(job))?.primitive !== "delivery") return;
    await payer.forfeit(job, attempt, { passedToo: true });
    await payee.closeJob(job, attempt, { forfeit: true, passedToo: true });
  }

  /** Of an edge that was found lying: nothing that is not vouchered yet is paid. */
  async #isForfeited({ job, attempt, kind }: ReceiptRow): Promise<boolean> {
    if (kind !== "delivery") return false;
    return isBadWork((await this.#parts.jobs.attempt(job, attempt))?.endCode ?? null);
  }

  async #mayCheck(from: Address, job: JobRow, kind: number, sequence: number): Promise<boolean> {
    const stream = await this.#parts.streams.find(job.stream);
    if (kind === probeCheck && job.primitive === "delivery") return stream?.buyer === from;
    if (kind !== originCheck || job.primitive !== "transcode") return false;
    // Another node may have the stream by now: what its predecessor found of its own segments still counts.
    return (await this.#parts.jobs.originAt(job.stream, sequence)) === from;
  }
}
