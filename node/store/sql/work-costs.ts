import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { checkVerdicts } from "@leat/sdk/protocol/signed.ts";
import { and, eq, sql } from "drizzle-orm";
import type { SqlDatabase } from "./database.ts";
import { attempts, checks, ledgerEntries, receipts } from "./schema.ts";

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
 * was paid.
 * @param channel The buyer's, to the cluster.
 */
export async function readCosts({ sql: database }: SqlDatabase, stream: Hex, channel: Hex): Promise<AttemptCost[]> {
  const ofReceipt = sql`"job" = ${receipts.job} and "attempt" = ${receipts.attempt}`;
  const judged = (verdict: number) =>
    sql`exists (select 1 from ${checks} where ${ofReceipt} and "seq" = ${receipts.seq} and "verdict" = ${verdict})`;
  const isOver = sql`exists (select 1 from ${attempts} where ${ofReceipt} and "end_code" = 'CHECK_FAILED')`;
  const outcome = sql<string>`case
    when ${ledgerEntries.state} = 'waiting' then 'waiting'
    when ${ledgerEntries.state} in ('payable', 'vouchered') then 'due'
    when ${ledgerEntries.state} = 'forfeited' or ${receipts.writtenOff} or ${judged(checkVerdicts.failed)} then 'dropped'
    when ${receipts.kind} = 'transcode' and ${isOver} and not ${judged(checkVerdicts.passed)} then 'dropped'
    else 'due' end`;
  const rows = await database
    .select({
      job: receipts.job,
      attempt: receipts.attempt,
      outcome: outcome.as("outcome"),
      count: sql<number>`count(*)::int`,
      units: sql<string>`sum(${receipts.paidUnits})::text`,
      exact: sql<string>`sum(${receipts.retailExact})::text`,
    })
    .from(receipts)
    .leftJoin(
      ledgerEntries,
      and(
        eq(ledgerEntries.side, "held"),
        eq(ledgerEntries.channel, channel),
        eq(ledgerEntries.job, receipts.job),
        eq(ledgerEntries.attempt, receipts.attempt),
        sql`${ledgerEntries.seq} = ${receipts.seq}`,
      ),
    )
    .where(eq(receipts.stream, stream))
    .groupBy(receipts.job, receipts.attempt, sql`"outcome"`);
  const groups = Map.groupBy(rows, ({ job, attempt }) => `${job} ${attempt}`);
  return [...groups.values()].map((group) => {
    const exactOf = (wanted: string) => BigInt(group.find((row) => row.outcome === wanted)?.exact ?? 0);
    const { job, attempt } = group[0]!;
    return {
      job,
      attempt,
      receipts: group.reduce((sum, { count }) => sum + count, 0),
      paidUnits: group.reduce((sum, { units, outcome: of }) => (of === "dropped" ? sum : sum + BigInt(units)), 0n),
      dueExact: exactOf("due"),
      waitingExact: exactOf("waiting"),
      droppedExact: exactOf("dropped"),
    };
  });
}
