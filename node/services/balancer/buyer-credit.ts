import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import { BalancerError } from "./errors.ts";
import { isRunning, type JobBook } from "./job-book.ts";
import type { BalancerOptions } from "./options.ts";
import type { BalancerComponents } from "./ports.ts";

export interface BuyerCreditParts {
  readonly jobs: JobBook;
  /** The stream is over: everything ends and is paid. */
  readonly onEnd: (stream: Hex, code: string) => Promise<void>;
}

/** What a publisher is told of a buyer that can pay for no more. */
const stopCodes = {
  CREDIT_EXHAUSTED: "STREAM_CREDIT_EXHAUSTED",
  CREDIT_SIGNER_SPENT: "STREAM_SIGNER_SPENT",
  CREDIT_RESERVE_SPENT: "STREAM_RESERVE_SPENT",
} as const;

/** Ends streams whose buyers pay for them no more. */
export class BuyerCredit {
  readonly #components: Pick<BalancerComponents, "payee" | "hub" | "clock" | "logger">;
  readonly #options: Pick<BalancerOptions, "creditWaitMs">;
  readonly #parts: BuyerCreditParts;
  /** Since when the ingest jobs of live streams are at their credit limit. */
  readonly #lost = new Map<Hex, number>();

  constructor(
    components: Pick<BalancerComponents, "payee" | "hub" | "clock" | "logger">,
    options: Pick<BalancerOptions, "creditWaitMs">,
    parts: BuyerCreditParts,
  ) {
    this.#components = components;
    this.#options = options;
    this.#parts = parts;
  }

  /** Why a job's buyer gets nothing more done; undefined while it does. */
  stopOf(job: Hex): (typeof stopCodes)[keyof typeof stopCodes] | undefined {
    const may = this.#components.payee.mayWork(job);
    return may === "ok" ? undefined : stopCodes[may];
  }

  /**
   * The cluster goes on for a buyer that is away for as long as its credit lasts; then the stream is over.
   *
   * @throws STREAM_CREDIT_EXHAUSTED, STREAM_SIGNER_SPENT, STREAM_RESERVE_SPENT
   */
  async check({ id: stream, buyer }: StreamRow): Promise<void> {
    const ingest = this.#parts.jobs.part(stream, "ingest");
    if (ingest === undefined || !isRunning(ingest)) return;
    const job = ingest.row.id;
    const code = this.stopOf(job);
    if (code === "STREAM_CREDIT_EXHAUSTED" && this.#mayWait(job, buyer)) return;
    this.#lost.delete(job);
    if (code === undefined) return;
    this.#components.logger.warn("Buyer stopped paying", { streamId: stream, buyer, code });
    await this.#parts.onEnd(stream, code);
    throw new BalancerError({ code, stream });
  }

  /** Forgets jobs that are over. */
  sweep(): void {
    for (const job of this.#lost.keys()) if (this.#parts.jobs.find(job) === undefined) this.#lost.delete(job);
  }

  /** One segment of a large crowd may be worth more than the credit: its voucher is on the way while the buyer is there. */
  #mayWait(job: Hex, buyer: Address): boolean {
    const { hub, clock } = this.#components;
    const nowMs = clock.nowMs();
    const sinceMs = this.#lost.get(job) ?? nowMs;
    this.#lost.set(job, sinceMs);
    return hub.nodes.has(buyer) && nowMs - sinceMs < this.#options.creditWaitMs;
  }
}
