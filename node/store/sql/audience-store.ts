import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { and, eq, inArray, ne, type SQL, sql } from "drizzle-orm";
import type { SqlDatabase } from "./database.ts";
import { audiencePeaks, audienceTotals, jobs, streams } from "./schema.ts";

export type AudienceTotalRow = typeof audienceTotals.$inferSelect;
export type AudiencePeakRow = typeof audiencePeaks.$inferSelect;

/** What viewers of a stream came to until now, all its edges together. */
export interface StoredAudience {
  readonly peakViewers: number;
  /** Milliseconds since 1970; null where nobody ever watched. */
  readonly peakAtMs: number | null;
  readonly watchedMs: bigint;
  readonly servedBytes: bigint;
}

/** Rows of one statement: each value is a parameter of it, of which PostgreSQL takes 65,535. */
const ROWS_AT_ONCE = 1_000;

/** How many watched streams at most, and what they got. */
export class AudienceStore {
  readonly #database: SqlDatabase;

  constructor(database: SqlDatabase) {
    this.#database = database;
  }

  async put(totals: readonly AudienceTotalRow[], peaks: readonly AudiencePeakRow[]): Promise<void> {
    await this.#database.transaction(async (tx) => {
      for (const rows of chunksOf(totals)) {
        await tx
          .insert(audienceTotals)
          .values(rows)
          .onConflictDoUpdate({
            target: [audienceTotals.job, audienceTotals.attempt],
            set: { watchedMs: sql`excluded.watched_ms`, servedBytes: sql`excluded.served_bytes` },
          });
      }
      for (const rows of chunksOf(peaks)) {
        await tx
          .insert(audiencePeaks)
          .values(rows)
          .onConflictDoUpdate({
            target: audiencePeaks.stream,
            set: { viewers: sql`excluded.viewers`, atMs: sql`excluded.at_ms` },
          });
      }
    });
  }

  /** Of these streams; one that nobody ever watched is missing. */
  async find(ids: readonly Hex[]): Promise<Map<Hex, StoredAudience>> {
    return ids.length === 0 ? new Map() : this.#read(inArray(streams.id, [...ids]));
  }

  /** Of all streams that are not over. */
  open(): Promise<Map<Hex, StoredAudience>> {
    return this.#read(ne(streams.state, "ended"));
  }

  /** Of attempts of jobs that are not over. */
  async openTotals(): Promise<AudienceTotalRow[]> {
    const rows = await this.#database.sql
      .select({ total: audienceTotals })
      .from(audienceTotals)
      .innerJoin(jobs, and(eq(jobs.id, audienceTotals.job), ne(jobs.state, "ended")));
    return rows.map(({ total }) => total);
  }

  async #read(which: SQL): Promise<Map<Hex, StoredAudience>> {
    const { sql: database } = this.#database;
    const [sums, peaks] = await Promise.all([
      database
        .select({
          stream: audienceTotals.stream,
          watchedMs: sql<string>`sum(${audienceTotals.watchedMs})`,
          servedBytes: sql<string>`sum(${audienceTotals.servedBytes})`,
        })
        .from(audienceTotals)
        .innerJoin(streams, eq(streams.id, audienceTotals.stream))
        .where(which)
        .groupBy(audienceTotals.stream),
      database
        .select({ peak: audiencePeaks })
        .from(audiencePeaks)
        .innerJoin(streams, eq(streams.id, audiencePeaks.stream))
        .where(which),
    ]);
    const found = new Map<Hex, StoredAudience>();
    for (const { stream, watchedMs, servedBytes } of sums) {
      const totals = { watchedMs: BigInt(watchedMs), servedBytes: BigInt(servedBytes) };
      found.set(stream, { peakViewers: 0, peakAtMs: null, ...totals });
    }
    for (const { peak } of peaks) {
      const totals = found.get(peak.stream) ?? { watchedMs: 0n, servedBytes: 0n };
      found.set(peak.stream, { ...totals, peakViewers: peak.viewers, peakAtMs: peak.atMs });
    }
    return found;
  }
}

function* chunksOf<T>(rows: readonly T[]): Generator<T[]> {
  for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) yield rows.slice(from, from + ROWS_AT_ONCE);
}
