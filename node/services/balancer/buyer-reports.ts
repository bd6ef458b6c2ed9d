import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { Recent } from "../../kernel/recent.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";
import type { ReceiptRow } from "../../store/sql/job-store.ts";
import { RemoteError } from "../../wire/errors.ts";
import type { BalancerComponents } from "./ports.ts";

/** Receipts of one buyer that are read at once from disk, and as many that come while those are told. */
const MOST_QUEUED = 500;
/** Jobs of one buyer that are reported at once. */
const JOBS_AT_ONCE = 16;
const REFUSED_MS = 60_000;
/** Of one buyer. */
const MAX_REFUSED = 1_000;

export interface BuyerReportsParts {
  readonly tasks: TaskGroup;
  /** Tells the buyer; resolves when that is on disk. False where there is nothing to tell of it, now or later. */
  readonly send: (row: ReceiptRow) => Promise<boolean>;
}

/**
 * What one buyer is to be told. Either the queue holds all that it was not told, or the disk is read when the queue is
 * empty; so each job's receipts are told in their order, and each once, whoever else says that there is one.
 */
export class BuyerReports {
  readonly #components: Pick<BalancerComponents, "hub" | "jobStore" | "clock" | "logger">;
  readonly #buyer: Address;
  readonly #parts: BuyerReportsParts;
  #queue = new Map<Hex, ReceiptRow>();
  /** There may be more on disk than is queued. */
  #mustRead = true;
  #telling = new Set<Hex>();
  /** Two may say of a receipt that it may be told, the second one after it was. */
  readonly #told = new Recent<Hex, true>(2 * MOST_QUEUED);
  /** Receipts that the buyer refused, and until when it is not asked again. */
  readonly #refused = new Map<Hex, number>();
  #isBusy = false;
  /** It did not answer: no more before the next look. */
  #isResting = false;

  constructor(
    components: Pick<BalancerComponents, "hub" | "jobStore" | "clock" | "logger">,
    buyer: Address,
    parts: BuyerReportsParts,
  ) {
    this.#components = components;
    this.#buyer = buyer;
    this.#parts = parts;
  }

  /** Whether it is being told. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** A receipt is booked and on disk, and may be told. */
  add(row: ReceiptRow): void {
    const { hash } = row;
    if (this.#telling.has(hash) || this.#told.get(hash)) return;
    if (this.#queue.size >= MOST_QUEUED) this.#mustRead = true;
    if (!this.#mustRead) this.#queue.set(hash, row);
    this.#wake();
  }

  /** There may be something to tell on disk. */
  read(): void {
    this.#mustRead = true;
    this.look();
  }

  /** It may answer again. */
  look(): void {
    this.#isResting = false;
    // The oldest first: each for as long.
    for (const [hash, untilMs] of this.#refused) {
      if (untilMs > this.#components.clock.nowMs()) break;
      this.#refused.delete(hash);
      this.#mustRead = true;
    }
    if (this.#mustRead || this.#queue.size > 0) this.#wake();
  }

  #wake(): void {
    const { tasks } = this.#parts;
    if (this.#isBusy || this.#isResting || tasks.signal.aborted) return;
    this.#isBusy = true;
    tasks.run(async (signal) => {
      try {
        while (!signal.aborted && !this.#isResting) {
          if (this.#queue.size === 0 && this.#mustRead) await this.#read();
          const rows = this.#take();
          if (rows.length === 0) {
            if (this.#mustRead) continue;
            return;
          }
          await this.#tellAll(rows, signal);
        }
      } catch (error) {
        this.#rest();
        throw error;
      } finally {
        this.#telling = new Set();
        this.#isBusy = false;
      }
    });
  }

  /** Of what waits the disk knows too, and is asked when the buyer is heard again. */
  #rest(): void {
    this.#isResting = true;
    this.#mustRead = true;
    this.#queue.clear();
  }

  #take(): ReceiptRow[] {
    const rows = [...this.#queue.values()].filter(({ hash }) => !this.#isRefused(hash));
    this.#queue.clear();
    this.#telling = new Set(rows.map(({ hash }) => hash));
    return rows;
  }

  async #read(): Promise<void> {
    this.#mustRead = false;
    const found = new Map<Hex, ReceiptRow>();
    for (let after: ReceiptRow | undefined; ; ) {
      const room = MOST_QUEUED - found.size;
      const rows = await this.#components.jobStore.unreportedOf([this.#buyer], room, after);
      for (const row of rows) if (!this.#isRefused(row.hash) && !this.#told.get(row.hash)) found.set(row.hash, row);
      after = rows.at(-1);
      if (found.size === MOST_QUEUED) this.#mustRead = true;
      if (rows.length < room || this.#mustRead) break;
    }
    // Behind what was read, where that is all of it; else in its turn, from disk.
    this.#queue = this.#mustRead ? found : new Map([...found, ...this.#queue]);
  }

  async #tellAll(rows: readonly ReceiptRow[], signal: AbortSignal): Promise<void> {
    // In each job's own order; jobs side by side, or what an agent hears in a second would end with its distance.
    const jobs = [...Map.groupBy(rows, ({ job }) => job).values()];
    let told = 0;
    const away = new AbortController();
    const tellNext = async () => {
      for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
        for (const row of job) {
          if (signal.aborted || away.signal.aborted) return;
          const verdict = await this.#tell(row);
          if (verdict === "told") told += 1;
          // One that does not answer is asked nothing more now.
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
    const failed = ends.find((end) => end.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    // What it refused is asked again much later, only that no more can be remembered than so much.
    const refusesAll = told === 0 && this.#refused.size === MAX_REFUSED;
    if (away.signal.aborted || refusesAll) this.#rest();
  }

  async #tell(row: ReceiptRow): Promise<"told" | "refused" | "away"> {
    const { logger, hub } = this.#components;
    if (!hub.nodes.has(this.#buyer)) return "away";
    try {
      if (!(await this.#parts.send(row))) return this.#refuse(row);
      this.#told.set(row.hash, true);
      return "told";
    } catch (error) {
      if (!isCodedError(error)) throw error;
      logger.warn("Report usage failed", { code: error.code, buyer: this.#buyer });
      return error instanceof RemoteError ? this.#refuse(row) : "away";
    }
  }

  #refuse({ hash }: ReceiptRow): "refused" {
    this.#refused.delete(hash);
    this.#refused.set(hash, this.#components.clock.nowMs() + REFUSED_MS);
    if (this.#refused.size > MAX_REFUSED) this.#refused.delete(this.#refused.keys().next().value!);
    return "refused";
  }

  #isRefused(hash: Hex): boolean {
    const untilMs = this.#refused.get(hash);
    return untilMs !== undefined && untilMs > this.#components.clock.nowMs();
  }
}
