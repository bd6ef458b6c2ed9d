import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { PaidRun } from "../metering/paid-runs.ts";
import type { Database } from "./database.ts";

/** A job that a cluster reported. */
export interface UsageJob {
  readonly stream: Hex;
  readonly kind: string;
  /** Every attempt at a segment is paid, not one alone. */
  readonly isShared: boolean;
  /** The attempt that is paid for each segment. */
  readonly paid: readonly PaidRun[];
  /** Attempts that nothing more is paid for. */
  readonly refused: readonly number[];
  /** When it was first reported, or last paid. */
  readonly usedAtMs: number;
}

export interface UsageBegin extends Pick<UsageJob, "stream" | "kind" | "isShared"> {
  readonly job: Hex;
  /** Of the cluster's quote for the stream. */
  readonly quoteHash: Hex;
  readonly nowMs: number;
  /** Jobs that are remembered at most. */
  readonly mostJobs: number;
}

/**
 * What a payer has to remember of the work that it was shown, so that none is paid twice or dearer than it was quoted:
 * the first quote of each stream and how much of its budget is used up, and of each job which attempt is paid for which
 * segment. Every promise of a writing method resolves when the change is on disk.
 */
export class LevelUsageStore {
  readonly #database: Pick<Database, "change" | "get" | "list">;
  #jobs: number | undefined;

  constructor(database: Pick<Database, "change" | "get" | "list">) {
    this.#database = database;
  }

  quoteOf(stream: Hex): Promise<Hex | undefined> {
    return this.#database.get(quoteKey(stream)) as Promise<Hex | undefined>;
  }

  /**
   * Counts units of a stream's budget, or gives them back where they are negative. False, and nothing changes, where it
   * would be more than `most`.
   */
  spend(stream: Hex, units: bigint, most: bigint): Promise<boolean> {
    return this.#database.change(async (changes) => {
      const spent = BigInt(((await changes.get(budgetKey(stream))) as string | undefined) ?? "0") + units;
      if (spent > most) return false;
      changes.put(budgetKey(stream), spent.toString());
      return true;
    });
  }

  async job(job: Hex): Promise<UsageJob | undefined> {
    return parseJob(await this.#database.get(jobKey(job)));
  }

  async countJobs(): Promise<number> {
    this.#jobs ??= (await this.#database.list(jobKey(""))).length;
    return this.#jobs;
  }

  /** What stands for the job and its stream from now on: of several that begin one, the first. Undefined: too many. */
  async begin(begin: UsageBegin): Promise<{ readonly job: UsageJob; readonly quoteHash: Hex } | undefined> {
    const { job, stream, kind, isShared, quoteHash, nowMs, mostJobs } = begin;
    const count = await this.countJobs();
    let isNew = false;
    const found = await this.#database.change(async (changes) => {
      const known = parseJob(await changes.get(jobKey(job)));
      const quoted = (await changes.get(quoteKey(stream))) as Hex | undefined;
      if (known === undefined && count >= mostJobs) return undefined;
      isNew = known === undefined;
      const stands = known ?? { stream, kind, isShared, paid: [], refused: [], usedAtMs: nowMs };
      if (isNew) changes.put(jobKey(job), jobText(stands));
      if (quoted === undefined) changes.put(quoteKey(stream), quoteHash);
      return { job: stands, quoteHash: quoted ?? quoteHash };
    });
    if (isNew && this.#jobs !== undefined) this.#jobs += 1;
    return found;
  }

  /** Changes all of these jobs that are known, at once. */
  changeJobs(jobs: Iterable<Hex>, change: (job: Hex, known: UsageJob) => UsageJob): Promise<void> {
    return this.#database.change(async (changes) => {
      for (const job of new Set(jobs)) {
        const known = parseJob(await changes.get(jobKey(job)));
        if (known !== undefined) changes.put(jobKey(job), jobText(change(job, known)));
      }
    });
  }

  /** Jobs that nothing happened to since. */
  async idleJobs(sinceMs: number): Promise<Hex[]> {
    return (await this.#all()).filter(([, { usedAtMs }]) => usedAtMs < sinceMs).map(([job]) => job);
  }

  /** And the quotes and budgets of streams of which no other job is remembered. */
  async forget(jobs: readonly Hex[]): Promise<void> {
    const gone = new Set(jobs);
    await this.#database.change(async (changes) => {
      const kept = new Set<Hex>();
      const left = new Set<Hex>();
      for (const [key, text] of await changes.list(jobKey(""))) {
        const { stream } = parseJob(text)!;
        if (gone.has(jobOf(key))) {
          changes.delete(key);
          left.add(stream);
        } else kept.add(stream);
      }
      for (const stream of left) {
        if (kept.has(stream)) continue;
        changes.delete(quoteKey(stream));
        changes.delete(budgetKey(stream));
      }
    });
    this.#jobs = undefined;
  }

  async #all(): Promise<[job: Hex, known: UsageJob][]> {
    return (await this.#database.list(jobKey(""))).map(([key, text]) => [jobOf(key), parseJob(text)!]);
  }
}

function quoteKey(stream: Hex): string {
  return `usage/quote/${stream}`;
}

function budgetKey(stream: Hex): string {
  return `usage/budget/${stream}`;
}

function jobKey(job: Hex | ""): string {
  return `usage/job/${job}`;
}

function jobOf(key: string): Hex {
  return key.slice(jobKey("").length) as Hex;
}

function jobText({ paid, ...rest }: UsageJob): string {
  const runs = paid.map(({ first, last, attempt }) => [first.toString(), last.toString(), attempt]);
  return JSON.stringify({ ...rest, runs });
}

function parseJob(text: string | undefined): UsageJob | undefined {
  if (text === undefined) return undefined;
  const { runs, ...rest } = JSON.parse(text) as Omit<UsageJob, "paid"> & { runs: [string, string, number][] };
  return {
    ...rest,
    paid: runs.map(([first, last, attempt]) => ({ first: BigInt(first), last: BigInt(last), attempt })),
  };
}
