import { badWorkCodes } from "@leat/sdk/protocol/bad-work.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import { and, asc, desc, eq, exists, gt, inArray, max, ne, or, sql } from "drizzle-orm";
import type { SqlDatabase } from "./database.ts";
import { literal } from "./literal.ts";
import { attempts, checks, checkTotals, jobs, receipts, receiptTotals, streams } from "./schema.ts";
import { type AttemptCost, readCosts } from "./work-costs.ts";

export type JobRow = typeof jobs.$inferSelect;
export type AttemptRow = typeof attempts.$inferSelect;
export type ReceiptRow = typeof receipts.$inferSelect;
export type CheckRow = typeof checks.$inferSelect;
export type CheckTotal = typeof checkTotals.$inferSelect;

/** An edge's part of its stream's budget for viewers that cannot sign, bytes. */
export interface AttemptGrant {
  readonly job: Hex;
  readonly attempt: number;
  readonly granted: bigint;
  readonly paid: bigint;
  /** Null while it runs. */
  readonly endedAtMs: number | null;
  readonly endCode: string | null;
}

/** Where a page of receipts ended. */
export type ReceiptPosition = Pick<ReceiptRow, "receivedAtMs" | "hash">;

/** Jobs, their attempts, and what came of them. */
export class JobStore {
  readonly #database: SqlDatabase;

  constructor(database: SqlDatabase) {
    this.#database = database;
  }

  async putJob(row: JobRow): Promise<void> {
    await this.#database.sql.insert(jobs).values(row).onConflictDoUpdate({ target: jobs.id, set: row });
  }

  async job(id: Hex): Promise<JobRow | undefined> {
    const [row] = await this.#database.sql.select().from(jobs).where(eq(jobs.id, id));
    return row;
  }

  async openJobs(): Promise<JobRow[]> {
    return this.#database.sql.select().from(jobs).where(ne(jobs.state, "ended"));
  }

  async jobsOf(stream: Hex): Promise<JobRow[]> {
    return this.#database.sql.select().from(jobs).where(eq(jobs.stream, stream)).orderBy(asc(jobs.createdAtMs));
  }

  /** Both at once: a job's number of attempts and the attempt itself never disagree. */
  async putAttempt(job: JobRow, attempt: AttemptRow): Promise<void> {
    await this.#database.transaction(async (tx) => {
      await tx.insert(jobs).values(job).onConflictDoUpdate({ target: jobs.id, set: job });
      await tx
        .insert(attempts)
        .values(attempt)
        .onConflictDoUpdate({ target: [attempts.job, attempts.attempt], set: attempt });
    });
  }

  async attempt(job: Hex, attempt: number): Promise<AttemptRow | undefined> {
    const [row] = await this.#database.sql
      .select()
      .from(attempts)
      .where(and(eq(attempts.job, job), eq(attempts.attempt, attempt)));
    return row;
  }

  async attemptsOf(job: Hex): Promise<AttemptRow[]> {
    return this.#database.sql.select().from(attempts).where(eq(attempts.job, job)).orderBy(asc(attempts.attempt));
  }

  /** Attempts at open jobs of which a check found something wrong, or that ended for a lie, whatever was done about it. */
  async badAttempts(): Promise<AttemptRow[]> {
    const ofAttempt = and(eq(checkTotals.job, attempts.job), eq(checkTotals.attempt, attempts.attempt));
    const rows = await this.#database.sql
      .select({ attempt: attempts })
      .from(attempts)
      .innerJoin(jobs, eq(jobs.id, attempts.job))
      .leftJoin(checkTotals, ofAttempt)
      .where(and(ne(jobs.state, "ended"), or(gt(checkTotals.failed, 0), inArray(attempts.endCode, [...badWorkCodes]))));
    return rows.map(({ attempt }) => attempt);
  }

  /** What all edges that a stream ever had were granted of its budget, and paid. */
  async grantsOf(stream: Hex): Promise<AttemptGrant[]> {
    const ofAttempt = and(eq(receiptTotals.job, attempts.job), eq(receiptTotals.attempt, attempts.attempt));
    const rows = await this.#database.sql
      .select({
        job: attempts.job,
        attempt: attempts.attempt,
        granted: attempts.grantedBytes,
        paid: receiptTotals.paidUnits,
        endedAtMs: attempts.endedAtMs,
        endCode: attempts.endCode,
      })
      .from(attempts)
      .innerJoin(jobs, eq(jobs.id, attempts.job))
      .leftJoin(receiptTotals, ofAttempt)
      .where(and(eq(jobs.stream, stream), eq(jobs.primitive, "delivery")));
    return rows.map((row) => ({ ...row, paid: row.paid ?? 0n }));
  }

  /** False when the segment of this attempt has a receipt already. */
  async addReceipt(row: ReceiptRow): Promise<boolean> {
    const database = this.#database.sql;
    const added = database.$with("added").as(
      database
        .insert(receipts)
        .values(row)
        .onConflictDoNothing()
        .returning({
          stream: receipts.stream,
          job: receipts.job,
          attempt: receipts.attempt,
          receipts: sql<number>`1`.as("receipts"),
          paidUnits: receipts.paidUnits,
          retailExact: receipts.retailExact,
        }),
    );
    const counted = await database
      .with(added)
      .insert(receiptTotals)
      .select(database.select().from(added))
      .onConflictDoUpdate({
        target: [receiptTotals.job, receiptTotals.attempt],
        set: {
          receipts: sql`${receiptTotals.receipts} + 1`,
          paidUnits: sql`${receiptTotals.paidUnits} + excluded.paid_units`,
          retailExact: sql`${receiptTotals.retailExact} + excluded.retail_exact`,
        },
      })
      .returning({ receipts: receiptTotals.receipts });
    return counted.length > 0;
  }

  async receiptAt(job: Hex, attempt: number, seq: number): Promise<ReceiptRow | undefined> {
    const [row] = await this.#database.sql
      .select()
      .from(receipts)
      .where(and(eq(receipts.job, job), eq(receipts.attempt, attempt), eq(receipts.seq, seq)));
    return row;
  }

  /** The last segment of an attempt that has a receipt. */
  async newestReceipt(job: Hex, attempt: number): Promise<number | undefined> {
    const [row] = await this.#database.sql
      .select({ seq: max(receipts.seq) })
      .from(receipts)
      .where(and(eq(receipts.job, job), eq(receipts.attempt, attempt)));
    return row?.seq ?? undefined;
  }

  async markReceipt(hash: Hex, change: { booked?: true; reported?: true; writtenOff?: true }): Promise<void> {
    await this.#database.sql.update(receipts).set(change).where(eq(receipts.hash, hash));
  }

  async unbooked(): Promise<ReceiptRow[]> {
    return this.#database.sql
      .select()
      .from(receipts)
      .where(eq(receipts.booked, literal(false)));
  }

  /**
   * What agents of these buyers have not acknowledged, oldest first, after the one that the caller saw last. Transcodes
   * once they passed: before, their receipts may say anything, and edges are compared with them.
   */
  async unreportedOf(buyers: readonly Address[], limit: number, after?: ReceiptPosition): Promise<ReceiptRow[]> {
    if (buyers.length === 0) return [];
    const theirs = this.#database.sql
      .select({ id: streams.id })
      .from(streams)
      .where(inArray(streams.buyer, [...buyers]));
    const passes = this.#database.sql
      .select({ one: checks.seq })
      .from(checks)
      .where(
        and(
          eq(checks.job, receipts.job),
          eq(checks.attempt, receipts.attempt),
          eq(checks.seq, receipts.seq),
          eq(checks.verdict, checkVerdicts.passed),
        ),
      );
    const isOpen = and(
      eq(receipts.reported, literal(false)),
      eq(receipts.booked, literal(true)),
      inArray(receipts.stream, theirs),
    );
    return this.#database.sql
      .select()
      .from(receipts)
      .where(and(isOpen, or(ne(receipts.kind, "transcode"), exists(passes)), later(after)))
      .orderBy(asc(receipts.receivedAtMs), asc(receipts.hash))
      .limit(limit);
  }

  /** Newest first, before the one that the caller saw last: several may have come in one millisecond. */
  async receiptsOf(stream: Hex, limit: number, before?: ReceiptPosition): Promise<ReceiptRow[]> {
    return this.#database.sql
      .select()
      .from(receipts)
      .where(and(eq(receipts.stream, stream), earlier(before)))
      .orderBy(desc(receipts.receivedAtMs), desc(receipts.hash))
      .limit(limit);
  }

  /** @param channel The buyer's, to the cluster. */
  costsOf(stream: Hex, channel: Hex): Promise<AttemptCost[]> {
    return readCosts(this.#database, stream, channel);
  }

  async addCheck(row: CheckRow): Promise<boolean> {
    const database = this.#database.sql;
    const failed = row.verdict === checkVerdicts.failed ? 1 : 0;
    const added = database.$with("added").as(
      database
        .insert(checks)
        .values(row)
        .onConflictDoNothing()
        .returning({
          job: checks.job,
          attempt: checks.attempt,
          checks: sql<number>`1`.as("checks"),
          failed: sql<number>`${failed}::integer`.as("failed"),
        }),
    );
    const counted = await database
      .with(added)
      .insert(checkTotals)
      .select(database.select().from(added))
      .onConflictDoUpdate({
        target: [checkTotals.job, checkTotals.attempt],
        set: { checks: sql`${checkTotals.checks} + 1`, failed: sql`${checkTotals.failed} + excluded.failed` },
      })
      .returning({ checks: checkTotals.checks });
    return counted.length > 0;
  }

  async checksAt(job: Hex, attempt: number, seq: number): Promise<CheckRow[]> {
    return this.#database.sql
      .select()
      .from(checks)
      .where(and(eq(checks.job, job), eq(checks.attempt, attempt), eq(checks.seq, seq)));
  }

  /** All that were made of these receipts' segments. */
  async checksOf(hashes: readonly Hex[]): Promise<CheckRow[]> {
    const ofSegment = and(
      eq(checks.job, receipts.job),
      eq(checks.attempt, receipts.attempt),
      eq(checks.seq, receipts.seq),
    );
    const rows = await this.#database.sql
      .select({ check: checks })
      .from(checks)
      .innerJoin(receipts, ofSegment)
      .where(inArray(receipts.hash, [...hashes]));
    return rows.map(({ check }) => check);
  }

  /** How many checks came of each attempt that has any. */
  async checkTotalsOf(job: Hex): Promise<CheckTotal[]> {
    return this.#database.sql.select().from(checkTotals).where(eq(checkTotals.job, job));
  }

  /** The last segment of a job, by any attempt, that passed a check. */
  async lastPassed(job: Hex): Promise<number | undefined> {
    const passed = and(eq(checks.job, job), eq(checks.verdict, checkVerdicts.passed));
    const [row] = await this.#database.sql
      .select({ seq: max(checks.seq) })
      .from(checks)
      .where(passed);
    return row?.seq ?? undefined;
  }

  /** Nodes that ever worked for a stream. */
  async nodesOf(stream: Hex): Promise<Address[]> {
    const rows = await this.#database.sql
      .selectDistinct({ node: attempts.node })
      .from(receiptTotals)
      .innerJoin(attempts, and(eq(attempts.job, receiptTotals.job), eq(attempts.attempt, receiptTotals.attempt)))
      .where(eq(receiptTotals.stream, stream));
    return rows.map((row) => row.node);
  }
}

function later(after: ReceiptPosition | undefined) {
  if (after === undefined) return undefined;
  return sql`(${receipts.receivedAtMs}, ${receipts.hash}) > (${after.receivedAtMs}, ${after.hash})`;
}

function earlier(before: ReceiptPosition | undefined) {
  if (before === undefined) return undefined;
  return sql`(${receipts.receivedAtMs}, ${receipts.hash}) < (${before.receivedAtMs}, ${before.hash})`;
}
