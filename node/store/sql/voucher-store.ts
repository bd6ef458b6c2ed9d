import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { and, eq, inArray, lt, sql } from "drizzle-orm";
import type {
  CollectedRecord,
  EntryKey,
  EntryState,
  LedgerEntry,
  PutVoucher,
  PutVoucherResult,
  VoucherRecord,
  VoucherSide,
  VoucherStore,
} from "../../metering/voucher-store.ts";
import type { Sql, SqlDatabase } from "./database.ts";
import { isOneOf } from "./literal.ts";
import { channelTotals, collections, ledgerEntries, vouchers } from "./schema.ts";

/** The cluster's vouchers: issued to its members, held from its buyers. */
export class SqlVoucherStore implements VoucherStore {
  readonly #database: SqlDatabase;

  constructor(database: SqlDatabase) {
    this.#database = database;
  }

  newest(side: VoucherSide, channel: Hex): Promise<VoucherRecord | undefined> {
    return readNewest(this.#database.sql, side, channel);
  }

  async all(side: VoucherSide): Promise<VoucherRecord[]> {
    const rows = await this.#database.sql.select().from(vouchers).where(eq(vouchers.side, side));
    return rows.map(toRecord);
  }

  put(side: VoucherSide, change: PutVoucher): Promise<PutVoucherResult> {
    return this.#database.transaction(async (tx) => {
      const { channel } = change.record;
      const held = await readNewest(tx, side, channel);
      if ((held?.voucher.value.seq ?? 0n) !== change.expectedSeq) return { stored: false, held };
      const { voucher, receiptsRoot, receiptHashes, acknowledged } = change.record;
      const values = { seq: voucher.value.seq, voucher, receiptsRoot, receiptHashes, acknowledged };
      await tx
        .insert(vouchers)
        .values({ side, channel, ...values })
        .onConflictDoUpdate({ target: [vouchers.side, vouchers.channel], set: values });
      await moveEntries(tx, side, channel, change.covered, "vouchered");
      const { adjustExact: exact } = change;
      if (exact !== undefined)
        await tx.insert(channelTotals).values({ side, channel, exact }).onConflictDoUpdate(addToTotal);
      return { stored: true };
    });
  }

  async acknowledge(channel: Hex, seq: bigint): Promise<void> {
    await this.#database.sql
      .update(vouchers)
      .set({ acknowledged: true })
      .where(and(eq(vouchers.side, "issued"), eq(vouchers.channel, channel), eq(vouchers.seq, seq)));
  }

  async addEntry(side: VoucherSide, channel: Hex, entry: LedgerEntry): Promise<boolean> {
    const database = this.#database.sql;
    const inserting = database
      .insert(ledgerEntries)
      .values({ side, channel, ...entry })
      .onConflictDoNothing();
    if (!counts(entry.state)) return (await inserting.returning({ seq: ledgerEntries.seq })).length > 0;
    const { exact } = ledgerEntries;
    const added = database
      .$with("added")
      .as(inserting.returning({ side: ledgerEntries.side, channel: ledgerEntries.channel, exact }));
    const counted = await database
      .with(added)
      .insert(channelTotals)
      .select(database.select().from(added))
      .onConflictDoUpdate(addToTotal)
      .returning({ exact: channelTotals.exact });
    return counted.length > 0;
  }

  setEntries(
    side: VoucherSide,
    channel: Hex,
    keys: readonly EntryKey[],
    state: "payable" | "vouchered" | "forfeited",
  ): Promise<void> {
    return moveEntries(this.#database.sql, side, channel, keys, state);
  }

  countOpen(side: VoucherSide, channel: Hex): Promise<number> {
    const isOpen = isOneOf(ledgerEntries.state, ["waiting", "payable"]);
    return this.#database.sql.$count(ledgerEntries, and(ofChannel(side, channel), isOpen));
  }

  async hasEntry(side: VoucherSide, channel: Hex, key: EntryKey): Promise<boolean> {
    const { job, attempt, seq } = ledgerEntries;
    const isOfKey = and(eq(job, key.job), eq(attempt, key.attempt), eq(seq, key.seq));
    return (await this.#database.sql.$count(ledgerEntries, and(ofChannel(side, channel), isOfKey))) > 0;
  }

  async openEntries(side: VoucherSide, channel: Hex, only?: "waiting" | "payable"): Promise<LedgerEntry[]> {
    const { job, attempt, seq, exact, receiptHash, state } = ledgerEntries;
    const states = only === undefined ? (["waiting", "payable"] as const) : [only];
    const isOpen = isOneOf(state, states);
    return this.#database.sql
      .select({ job, attempt, seq, exact, receiptHash, state })
      .from(ledgerEntries)
      .where(and(ofChannel(side, channel), isOpen))
      .orderBy(sql`${job} collate "C"`, attempt, seq);
  }

  async totalExact(side: VoucherSide, channel: Hex): Promise<bigint> {
    const [row] = await this.#database.sql
      .select({ exact: channelTotals.exact })
      .from(channelTotals)
      .where(and(eq(channelTotals.side, side), eq(channelTotals.channel, channel)));
    return row?.exact ?? 0n;
  }

  async channels(side: VoucherSide): Promise<Hex[]> {
    const database = this.#database.sql;
    const signed = await database.select({ channel: vouchers.channel }).from(vouchers).where(eq(vouchers.side, side));
    const booked = await database
      .selectDistinct({ channel: ledgerEntries.channel })
      .from(ledgerEntries)
      .where(eq(ledgerEntries.side, side));
    const counted = await database
      .select({ channel: channelTotals.channel })
      .from(channelTotals)
      .where(eq(channelTotals.side, side));
    return [...new Set([...signed, ...booked, ...counted].map((row) => row.channel))];
  }

  async forgetJob(side: VoucherSide, channel: Hex, job: Hex): Promise<void> {
    await this.#database.sql
      .delete(ledgerEntries)
      .where(
        and(
          ofChannel(side, channel),
          eq(ledgerEntries.job, job),
          inArray(ledgerEntries.state, ["vouchered", "forfeited"]),
        ),
      );
  }

  async putCollected(record: CollectedRecord): Promise<void> {
    const { collected, transaction, blockNumber } = record;
    await this.#database.sql
      .insert(collections)
      .values(record)
      .onConflictDoUpdate({
        target: collections.channel,
        set: { collected, transaction, blockNumber },
        setWhere: lt(collections.collected, collected),
      });
  }

  async collected(channel: Hex): Promise<CollectedRecord | undefined> {
    const [row] = await this.#database.sql.select().from(collections).where(eq(collections.channel, channel));
    return row;
  }
}

async function readNewest(database: Sql, side: VoucherSide, channel: Hex): Promise<VoucherRecord | undefined> {
  const [row] = await database
    .select()
    .from(vouchers)
    .where(and(eq(vouchers.side, side), eq(vouchers.channel, channel)));
  return row === undefined ? undefined : toRecord(row);
}

function toRecord(row: typeof vouchers.$inferSelect): VoucherRecord {
  const { channel, voucher, receiptsRoot, receiptHashes, acknowledged } = row;
  return { channel, voucher, receiptsRoot, receiptHashes, acknowledged };
}

/**
 * Entries that are settled already stay as they are; what begins to count, or stops, moves the total. One statement for
 * all of them: while a transaction has its turns between two threads, no other may run. Each entry is found by its key,
 * one by one, whatever the planner thinks of the table: joined, it reads the whole channel until it has been counted. A
 * row that was found stays where it is until it is changed: the one connection runs nothing in between.
 */
async function moveEntries(
  database: Sql,
  side: VoucherSide,
  channel: Hex,
  keys: readonly EntryKey[],
  state: "payable" | "vouchered" | "forfeited",
): Promise<void> {
  if (keys.length === 0) return;
  const named = JSON.stringify(keys.map(({ job, attempt, seq }) => ({ job, attempt, seq: seq.toString() })));
  const change = counts(state)
    ? sql`case when was = 'waiting' then exact else 0 end`
    : sql`case when was = 'payable' then -exact else 0 end`;
  await database.execute(sql`
    with moved as (
      update ${ledgerEntries} set state = ${state}
      where state in ('waiting', 'payable') and ctid = any (array(
        select found.ctid
        from jsonb_to_recordset(${named}::jsonb) as named (job text, attempt integer, seq numeric)
        cross join lateral (
          select entry.ctid from ${ledgerEntries} entry
          where entry.side = ${side} and entry.channel = ${channel}
            and entry.job = named.job and entry.attempt = named.attempt and entry.seq = named.seq
          offset 0
        ) found
      ))
      returning old.state as was, ${ledgerEntries.exact}
    )
    insert into ${channelTotals} (side, channel, exact)
    select ${side}, ${channel}, sum(${change}) from moved having sum(${change}) <> 0
    on conflict (side, channel) do update set exact = ${channelTotals}.exact + excluded.exact`);
}

const addToTotal = {
  target: [channelTotals.side, channelTotals.channel],
  set: { exact: sql`${channelTotals.exact} + excluded.exact` },
};

function ofChannel(side: VoucherSide, channel: Hex) {
  return and(eq(ledgerEntries.side, side), eq(ledgerEntries.channel, channel));
}

function counts(state: EntryState): boolean {
  return state === "payable" || state === "vouchered";
}
