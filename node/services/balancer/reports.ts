import { isCodedError } from "@leat/sdk/base/errors.ts";
import { hubChannel } from "@leat/sdk/protocol/channel.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { priceUnitOf } from "@leat/sdk/protocol/job.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";
import { retailPrices } from "../../market/pricing.ts";
import type { ReceiptRow } from "../../store/sql/job-store.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import { RemoteError } from "../../wire/errors.ts";
import type { Accounting } from "./accounting.ts";
import type { JobBook } from "./job-book.ts";
import type { BalancerOptions } from "./options.ts";
import type { BalancerComponents } from "./ports.ts";
import type { StreamBook } from "./stream-book.ts";

/** Receipts read at once from disk. */
const PAGE = 500;
/** Jobs of one buyer that are reported at once. */
const JOBS_AT_ONCE = 16;
/** Receipts that wait in memory for a buyer that is being told; of more the disk knows. */
const MOST_FRESH = 2_000;
const RETRY_MS = 1_000;
const READ_EVERY_MS = 10_000;
const REFUSED_MS = 60_000;
const MAX_REFUSED = 10_000;
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
  /** Buyers that are being told. */
  readonly #busy = new Set<Address>();
  /** Of those, the ones for which more is fresh. */
  readonly #behind = new Set<Address>();
  /** Receipts that their buyer refused, and until when it is not asked again. */
  readonly #refused = new Map<Hex, number>();
  /** What came since the disk was read, in its order: of these it need not be asked again. */
  #fresh: ReceiptRow[] = [];
  /** There may be more on disk than is fresh. */
  #mustRead = true;
  #running = false;
  #again = false;

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
    this.#tasks.every(RETRY_MS, () => {
      if (this.#mustRead || this.#fresh.length > 0) this.#wake();
    });
    // What a buyer refused may be due again.
    this.#tasks.every(READ_EVERY_MS, () => this.kick());
    this.#tasks.every(this.#options.voucherEveryMs, () => this.#askVouchers());
  }

  /** A receipt is on disk, and may be told. */
  add(row: ReceiptRow): void {
    this.#keep(row);
    this.#wake();
  }

  /** There may be something to tell on disk. */
  kick(): void {
    this.#mustRead = true;
    this.#wake();
  }

  #keep(row: ReceiptRow): void {
    if (this.#fresh.length < MOST_FRESH) this.#fresh.push(row);
    else this.#mustRead = true;
  }

  #wake(): void {
    this.#again = true;
    if (this.#running || this.#tasks.signal.aborted) return;
    this.#running = true;
    this.#tasks.run(async (signal) => {
      try {
        while (this.#again && !signal.aborted) {
          this.#again = false;
          await this.#report();
        }
      } catch (error) {
        this.#mustRead = true;
        throw error;
      } finally {
        this.#running = false;
      }
    });
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

  /** Each buyer by itself: one that is away, refuses or never answers must not keep the others from paying. */
  async #report(): Promise<void> {
    const present = [...this.#components.hub.nodes.values()].filter(({ hello }) => hello.roles.includes("buyer"));
    const buyers = new Set(present.map(({ node }) => node));
    const idle = [...buyers].filter((buyer) => !this.#busy.has(buyer));
    const fresh = this.#fresh;
    this.#fresh = [];
    const open = new Map<Address, Map<Hex, readonly [ReceiptRow, StreamRow]>>();
    const take = async (row: ReceiptRow) => {
      const stream = await this.#streams.find(row.stream);
      // Of one that is away the disk knows, and is asked when it is back.
      if (stream === undefined || this.#isRefused(row.hash) || !buyers.has(stream.buyer)) return;
      if (this.#busy.has(stream.buyer)) {
        this.#behind.add(stream.buyer);
        this.#keep(row);
        return;
      }
      const rows = open.get(stream.buyer) ?? new Map();
      if (rows.size < PAGE) rows.set(row.hash, [row, stream]);
      else this.#mustRead = true;
      open.set(stream.buyer, rows);
    };
    if (this.#mustRead) {
      // Of those that are busy when they are no more.
      this.#mustRead = idle.length < buyers.size;
      await this.#readAll(idle, take);
    }
    for (const row of fresh) await take(row);
    for (const [buyer, rows] of open) this.#reportTo(buyer, [...rows.values()]);
  }

  async #readAll(buyers: readonly Address[], take: (row: ReceiptRow) => Promise<void>): Promise<void> {
    for (let after: ReceiptRow | undefined; ; ) {
      const rows = await this.#components.jobStore.unreportedOf(buyers, PAGE, after);
      for (const row of rows) await take(row);
      after = rows.at(-1);
      if (rows.length < PAGE) return;
    }
  }

  #reportTo(buyer: Address, list: readonly (readonly [ReceiptRow, StreamRow])[]): void {
    if (this.#tasks.signal.aborted) return;
    this.#busy.add(buyer);
    this.#tasks.run(async (signal) => {
      // In each job's own order; jobs side by side, or what an agent hears in a second would end with its distance.
      const jobs = [...Map.groupBy(list, ([{ job }]) => job).values()];
      let told = 0;
      const away = new AbortController();
      const tellNext = async () => {
        for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
          for (const [row, stream] of job) {
            if (signal.aborted || away.signal.aborted) return;
            const verdict = await this.#tell(row, stream);
            if (verdict === "told") told += 1;
            // What it refuses is asked again much later; one that does not answer is asked nothing more now.
            else if (verdict === "away") away.abort();
          }
        }
      };
      const stop = (error: unknown) => {
        away.abort();
        throw error;
      };
      // Until the last has its answer: who is told anew before would hear the same beside it.
      const ends = await Promise.allSettled(Array.from({ length: JOBS_AT_ONCE }, () => tellNext().catch(stop)));
      this.#busy.delete(buyer);
      if (away.signal.aborted || list.length === PAGE) this.#mustRead = true;
      const failed = ends.find((end) => end.status === "rejected");
      if (failed !== undefined) throw failed.reason;
      const isBehind = this.#behind.delete(buyer) || this.#mustRead;
      // One that takes nothing is asked again after a pause.
      if (told > 0 && isBehind) this.#wake();
    });
  }

  async #tell(row: ReceiptRow, stream: StreamRow): Promise<"told" | "refused" | "away"> {
    const { logger, clock } = this.#components;
    try {
      await this.#send(row, stream);
      return "told";
    } catch (error) {
      if (!isCodedError(error)) throw error;
      logger.warn("Report usage failed", { code: error.code, buyer: stream.buyer });
      if (!(error instanceof RemoteError)) return "away";
      this.#refused.delete(row.hash);
      this.#refused.set(row.hash, clock.nowMs() + REFUSED_MS);
      if (this.#refused.size > MAX_REFUSED) this.#refused.delete(this.#refused.keys().next().value!);
      return "refused";
    }
  }

  #isRefused(hash: Hex): boolean {
    const untilMs = this.#refused.get(hash);
    return untilMs !== undefined && untilMs > this.#components.clock.nowMs();
  }

  async #send(row: ReceiptRow, streamRow: StreamRow): Promise<void> {
    const { hub } = this.#components;
    const jobs = this.#jobs;
    const [attempt, jobRow] = await Promise.all([jobs.attempt(row.job, row.attempt), jobs.job(row.job)]);
    if (attempt === undefined || jobRow === undefined) return;
    const unit = priceUnitOf(jobRow.spec);
    const { buyer, token, quote, retail, marginBps } = streamRow;
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
  }

  async #askVouchers(): Promise<void> {
    const { payee, hub } = this.#components;
    for (const { channel, unpaidExact } of await payee.status()) {
      if (unpaidExact === 0n || !hub.nodes.has(channel.payer)) continue;
      await this.#try("Ask for voucher failed", () => payee.requestVoucher(channel));
    }
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
