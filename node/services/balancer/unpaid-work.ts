import { hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import { Mutex } from "../../kernel/mutex.ts";
import type { CheckRow, ReceiptRow } from "../../store/sql/job-store.ts";
import type { NodeRequest } from "../../wire/session/messages.ts";
import type { WorkKey } from "../payment/index.ts";
import { BalancerError } from "./errors.ts";
import { MAX_SEQUENCE, originCheck } from "./limits.ts";
import type { BalancerComponents } from "./ports.ts";
import type { StreamBook } from "./stream-book.ts";

/** A booked transcode receipt whose segment did not pass. */
export type Unjudged = Pick<ReceiptRow, "hash" | "stream" | "job" | "attempt" | "seq" | "receivedAtMs">;

/** Transcodes that did not pass yet, or never will. */
export class UnpaidWork {
  /** By receipt hash; of attempts that run and of those that are over. */
  readonly unjudged = new Map<Hex, Unjudged>();
  readonly #components: Pick<
    BalancerComponents,
    "payer" | "payee" | "jobStore" | "clusterAccount" | "tokens" | "logger"
  >;
  readonly #streams: StreamBook;
  /** A result comes before its work is written off or after it, never beside it. */
  readonly #verdicts = new Mutex();

  constructor(
    components: Pick<BalancerComponents, "payer" | "payee" | "jobStore" | "clusterAccount" | "tokens" | "logger">,
    streams: StreamBook,
  ) {
    this.#components = components;
    this.#streams = streams;
  }

  /** Its receipt is booked. */
  note({ hash, stream, job, attempt, seq, receivedAtMs }: ReceiptRow): void {
    this.unjudged.set(hash, { hash, stream, job, attempt, seq, receivedAtMs });
  }

  /** False where the same one is there. @throws CHECK_RECEIPT_WRONG, CHECK_TOO_LATE */
  addCheck(row: CheckRow): Promise<boolean> {
    const { jobStore } = this.#components;
    const { job, attempt, seq, check, statement } = row;
    return this.#verdicts.run(async () => {
      // A probe names whatever receipt its bytes were compared with: the edge's own comes later.
      const receipt = check === originCheck ? await jobStore.receiptAt(job, attempt, seq) : undefined;
      if (receipt !== undefined && receipt.hash !== statement.value.receiptHash) {
        throw new BalancerError({ code: "CHECK_RECEIPT_WRONG", job });
      }
      if (receipt?.writtenOff) throw new BalancerError({ code: "CHECK_TOO_LATE", job, seq: BigInt(seq) });
      return jobStore.addCheck(row);
    });
  }

  /** Whether the origin found the segment good; it may have been shown another receipt. */
  async isProven({ hash, job, attempt, seq }: ReceiptRow): Promise<boolean> {
    const checks = await this.#components.jobStore.checksAt(job, attempt, seq);
    if (checks.some(({ verdict }) => verdict === checkVerdicts.failed)) return false;
    return checks.some(
      ({ verdict, statement }) => verdict === checkVerdicts.passed && statement.value.receiptHash === hash,
    );
  }

  /**
   * Nobody will say any more whether this work is good: it is paid by nobody, and a result that comes later is refused.
   * Where one came meanwhile nothing changes.
   */
  async writeOff({ hash, job, attempt, seq }: Unjudged): Promise<void> {
    const { jobStore, logger } = this.#components;
    const row = await this.#verdicts.run(async () => {
      const found = await jobStore.receiptAt(job, attempt, seq);
      if (found === undefined || (await this.isProven(found))) return undefined;
      await jobStore.markReceipt(hash, { writtenOff: true });
      return found;
    });
    if (row !== undefined) {
      logger.info("Write off work that nobody checks", { jobId: job, attempt, sequence: seq });
      await this.closeBooks(row);
    }
    this.unjudged.delete(hash);
  }

  /** A node asks what became of its work on a channel. */
  async review(from: Address, { token, work }: NodeRequest<"work.review">): Promise<readonly WorkKey[]> {
    const { payer, jobStore, clusterAccount, tokens } = this.#components;
    if (!tokens.includes(token)) throw new BalancerError({ code: "STREAM_TOKEN_UNKNOWN", token });
    const channel = hubChannel(clusterAccount, from, token);
    const missing: WorkKey[] = [];
    for (const key of await payer.unpaid(channel, work)) {
      const row = key.seq < MAX_SEQUENCE ? await jobStore.receiptAt(key.job, key.attempt, Number(key.seq)) : undefined;
      if (row === undefined || row.booked) missing.push(key);
    }
    // One that was being booked when the payer was asked is in its book by now.
    return payer.unpaid(channel, missing);
  }

  /** Both books know of a write-off already where a crash came in between, and then change nothing. */
  async closeBooks(row: ReceiptRow): Promise<void> {
    const { payer, payee, clusterAccount } = this.#components;
    const stream = await this.#streams.find(row.stream);
    if (stream === undefined) return;
    const keys = [{ job: row.job, attempt: row.attempt, seq: BigInt(row.seq) }];
    await payer.refuse(hubChannel(clusterAccount, row.node, stream.token), keys);
    await payee.writeOff(hubChannel(stream.buyer, clusterAccount, stream.token), keys);
  }
}
