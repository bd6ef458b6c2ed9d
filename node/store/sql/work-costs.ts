import { badWorkCodes } from "@leat/sdk/protocol/bad-work.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import { and, eq, inArray, sql } from "drizzle-orm";
import { union } from "drizzle-orm/pg-core";
import type { Sql, SqlDatabase } from "./database.ts";
import { isOneOf, literal } from "./literal.ts";
import { attempts, checks, ledgerEntries, receipts, receiptTotals } from "./schema.ts";

/** What one attempt's receipts come to for the buyer, by what becomes of them. Retail, exact. */
export interface AttemptCost {
  readonly job: Hex;
  readonly attempt: number;
  readonly receipts: number;
  /** In the primitive's unit, as far as they are paid for. */
  readonly paidUnits: bigint;
  /** Vouchered, or with the next voucher. */
  readonly dueExact: bigint;
  /** Until it is checked, or its report acknowledged. */
  readonly waitingExact: bigint;
  /** Bad, or never checked: nobody pays for it. */
  readonly droppedExact: bigint;
}

/**
 * The costs of a stream's work, attempt by attempt. Books forget what is settled some time after a job's end; from then
 * on receipts and checks say it, and of an edge that was found lying all but its bad work counts, which is at most what
 * was paid. What waits or is dropped is little beside what is paid: that alone is looked at, and the rest is a sum that
 * was kept as the receipts came.
 * @param channel The buyer's, to the cluster.
 */
export async function readCosts({ sql: database }: SqlDatabase, stream: Hex, channel: Hex): Promise<AttemptCost[]> {
  const totals = await database.select().from(receiptTotals).where(eq(receiptTotals.stream, stream));
  const open = await readUnpaid(database, stream, channel);
  return totals.map(({ job, attempt, receipts: count, paidUnits, retailExact }) => {
    const own = open.filter((row) => row.job === job && row.attempt === attempt);
    const sum = (outcome: Unpaid["outcome"], of: "units" | "exact") =>
      BigInt(own.find((row) => row.outcome === outcome)?.[of] ?? 0);
    const [waitingExact, droppedExact] = [sum("waiting", "exact"), sum("dropped", "exact")];
    return {
      job,
      attempt,
      receipts: count,
      paidUnits: paidUnits - sum("dropped", "units"),
      dueExact: retailExact - waitingExact - droppedExact,
      waitingExact,
      droppedExact,
    };
  });
}

interface Unpaid {
  readonly job: Hex;
  readonly attempt: number;
  readonly outcome: "waiting" | "dropped" | "due";
  readonly units: string;
  readonly exact: string;
}

/** Sums of the receipts that something speaks against paying now: most of a stream's are not read for it. */
async function readUnpaid(database: Sql, stream: Hex, channel: Hex): Promise<Unpaid[]> {
  const ofReceipt = sql`"job" = ${receipts.job} and "attempt" = ${receipts.attempt}`;
  const judged = (verdict: number) =>
    sql`exists (select 1 from ${checks} where ${ofReceipt} and "seq" = ${receipts.seq} and "verdict" = ${verdict})`;
  const isOver = sql`exists (select 1 from ${attempts} where ${ofReceipt} and "end_code" = 'CHECK_FAILED')`;
  const ofEntry = and(
    eq(ledgerEntries.side, "held"),
    eq(ledgerEntries.channel, channel),
    eq(ledgerEntries.job, receipts.job),
    eq(ledgerEntries.attempt, receipts.attempt),
    sql`${ledgerEntries.seq} = ${receipts.seq}`,
  );
  const outcome = sql<Unpaid["outcome"]>`case
    when ${ledgerEntries.state} = 'waiting' then 'waiting'
    when ${ledgerEntries.state} in ('payable', 'vouchered') then 'due'
    when ${ledgerEntries.state} = 'forfeited' or ${receipts.writtenOff} or ${judged(checkVerdicts.failed)} then 'dropped'
    when ${receipts.kind} = 'transcode' and ${isOver} and not ${judged(checkVerdicts.passed)} then 'dropped'
    else 'due' end`;
  const ofStream = eq(receipts.stream, stream);
  const found = () => database.select({ hash: receipts.hash }).from(receipts);
  const isOfCheck = and(
    eq(checks.job, receipts.job),
    eq(checks.attempt, receipts.attempt),
    eq(checks.seq, receipts.seq),
    eq(checks.verdict, literal(checkVerdicts.failed)),
  );
  const isOfOver = and(
    eq(attempts.job, receipts.job),
    eq(attempts.attempt, receipts.attempt),
    inArray(attempts.endCode, [...badWorkCodes]),
  );
  const doubtful = union(
    database
      .select({ hash: ledgerEntries.receiptHash })
      .from(ledgerEntries)
      .where(
        and(
          eq(ledgerEntries.side, "held"),
          eq(ledgerEntries.channel, channel),
          isOneOf(ledgerEntries.state, ["waiting", "forfeited"]),
        ),
      ),
    found().where(and(ofStream, receipts.writtenOff)),
    found().innerJoin(checks, isOfCheck).where(ofStream),
    found().innerJoin(attempts, isOfOver).where(ofStream),
  );
  return database
    .select({
      job: receipts.job,
      attempt: receipts.attempt,
      outcome: outcome.as("outcome"),
      units: sql<string>`sum(${receipts.paidUnits})::text`,
      exact: sql<string>`sum(${receipts.retailExact})::text`,
    })
    .from(receipts)
    .leftJoin(ledgerEntries, ofEntry)
    .where(and(ofStream, inArray(receipts.hash, doubtful)))
    .groupBy(receipts.job, receipts.attempt, sql`"outcome"`);
}
