import { isCodedError } from "@leat/sdk/base/errors.ts";
import { hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { priceUnitOf } from "@leat/sdk/protocol/job.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";
import { retailPrices } from "../../market/pricing.ts";
import type { ReceiptRow } from "../../store/sql/job-store.ts";
import type { Accounting } from "./accounting.ts";
import { BuyerReports } from "./buyer-reports.ts";
import type { JobBook } from "./job-book.ts";
import type { BalancerOptions } from "./options.ts";
import type { BalancerComponents } from "./ports.ts";
import type { StreamBook } from "./stream-book.ts";

const RETRY_MS = 1_000;
/** Pauses after a stream's end at which what came late is settled: receipts of edges come with their last window. */
const SETTLE_AFTER_MS = [300, 700, 1_500, 3_000, 6_000, 15_000, 60_000];

/** Tells buyers' agents of every receipt, asks them for vouchers, and settles a stream that is over. */
export class Reports {
  readonly #components: BalancerComponents;
  readonly #options: BalancerOptions;
  readonly #streams: StreamBook;
  readonly #jobs: Pick<JobBook, "job" | "attempt">;
  readonly #accounting: Accounting;
  readonly #tasks: TaskGroup;
  /** Of buyers that are there. */
  readonly #buyers = new Map<Address, BuyerReports>();

  constructor(
    components: BalancerComponents,
    options: BalancerOptions,
    parts: {
      readonly streams: StreamBook;
      readonly jobs: Pick<JobBook, "job" | "attempt">;
      readonly accounting: Accounting;
      readonly tasks: TaskGroup;
    },
  ) {
    this.#components = components;
    this.#options = options;
    this.#streams = parts.streams;
    this.#jobs = parts.jobs;
    this.#accounting = parts.accounting;
    this.#tasks = parts.tasks;
  }

  start(): void {
    this.#tasks.every(RETRY_MS, () => this.#lookAll());
    this.#tasks.every(this.#options.voucherEveryMs, () => this.#askVouchers());
  }

  /** A buyer's agent is there, and is told what it does not know. */
  joined(buyer: Address): void {
    const send = (row: ReceiptRow) => this.#send(row, buyer);
    const reports = this.#buyers.get(buyer) ?? new BuyerReports(this.#components, buyer, { tasks: this.#tasks, send });
    this.#buyers.set(buyer, reports);
    reports.read();
  }

  /** A receipt is booked and on disk, and may be told. Of a buyer that is away the disk knows. */
  add(row: ReceiptRow, buyer: Address): void {
    this.#buyers.get(buyer)?.add(row);
  }

  #lookAll(): void {
    for (const [buyer, reports] of this.#buyers) {
      if (this.#components.hub.nodes.has(buyer)) reports.look();
      // One whose last answer is still awaited stays: beside another it would tell the same.
      else if (!reports.isBusy) this.#buyers.delete(buyer);
    }
  }

  /** Asks the buyer and pays the nodes until all that a stream brought is covered by vouchers. */
  settle(stream: Hex): void {
    if (this.#tasks.signal.aborted) return;
    this.#tasks.run(async (signal) => {
      for (const pauseMs of SETTLE_AFTER_MS) {
        await this.#components.clock.sleep(pauseMs, signal);
        await this.settleNow(stream);
      }
    });
  }

  async settleNow(stream: Hex): Promise<void> {
    const { jobStore, payer, payee, clusterAccount } = this.#components;
    const row = await this.#streams.find(stream);
    if (row === undefined) return;
    const fromBuyer = hubChannel(row.buyer, clusterAccount, row.token);
    await this.#try("Ask for final voucher failed", () => payee.requestVoucher(fromBuyer, "final"));
    for (const node of await jobStore.nodesOf(stream)) {
      const channel = hubChannel(clusterAccount, node, row.token);
      await this.#try("Sign final voucher failed", () => payer.settleNow(channel));
    }
  }

  /** False where nobody knows any more what it belongs to. */
  async #send(row: ReceiptRow, buyer: Address): Promise<boolean> {
    const { hub } = this.#components;
    const jobs = this.#jobs;
    const [attempt, jobRow, streamRow] = await Promise.all([
      jobs.attempt(row.job, row.attempt),
      jobs.job(row.job),
      this.#streams.find(row.stream),
    ]);
    if (attempt === undefined || jobRow === undefined || streamRow === undefined) return false;
    const unit = priceUnitOf(jobRow.spec);
    const { token, quote, retail, marginBps } = streamRow;
    const { stream, job, node, kind, receipt, leaves, paidUnits, retailExact } = row;
    // As it was booked: at any other price the buyer's total and ours would differ for ever.
    const price = paidUnits > 0n ? retailExact / paidUnits : retailPrices(attempt.prices, marginBps)[unit];
    await hub.call(buyer, "usage.report", {
      stream,
      job,
      attempt: row.attempt,
      node,
      kind,
      receipt,
      leaves,
      assignment: attempt.assignment,
      token,
      quote,
      quoted: retail,
      // Only the job's own unit: it tells the buyer in what the work is counted.
      prices: { [unit]: price },
      paidUnits,
    });
    await this.#accounting.reported(row);
    return true;
  }

  async #askVouchers(): Promise<void> {
    const { payee, hub } = this.#components;
    const due = (await payee.status()).filter((one) => one.unpaidExact > 0n && hub.nodes.has(one.channel.payer));
    // Side by side: one that hangs keeps no other from paying.
    const ask = ({ channel }: (typeof due)[0]) =>
      this.#try("Ask for voucher failed", () => payee.requestVoucher(channel));
    await Promise.all(due.map(ask));
  }

  async #try(phrase: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isCodedError(error)) throw error;
      this.#components.logger.warn(phrase, { code: error.code });
    }
  }
}
