import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { SqlDatabase } from "../../../../node/store/sql/database.ts";
import { SqlVoucherStore } from "../../../../node/store/sql/voucher-store.ts";
import { channel, describeVoucherStore, entry } from "../../../suites/voucher-store.ts";
import { emptyTables, openEmptyDatabase } from "../../../support/empty-database.ts";

describe("sql voucher store", () => {
  let folder: string;
  let database: SqlDatabase;
  before(async function () {
    this.timeout(60_000);
    folder = await mkdtemp(join(tmpdir(), "leat-sql-"));
    database = await openEmptyDatabase(folder);
  });
  after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  describeVoucherStore("PGlite", async () => ({
    store: new SqlVoucherStore(database),
    async reopen() {
      await database.close();
      database = await SqlDatabase.open(folder);
      return new SqlVoucherStore(database);
    },
    another: () => new SqlVoucherStore(database),
    async close() {
      await emptyTables(database);
    },
  }));

  it("reads no more than is open of a channel, also by plans for any state", async function () {
    this.timeout(60_000);
    const store = new SqlVoucherStore(database);
    const look = async () => {
      assert.equal((await store.openEntries("held", channel, "payable")).length, 1);
      assert.equal((await store.openEntries("held", channel)).length, 1);
      assert.equal(await store.countOpen("held", channel), 1);
    };
    try {
      await store.addEntry("held", channel, entry(0n, 1n, "payable"));
      // More often than PostgreSQL makes a plan for one question alone.
      for (let times = 0; times < 20; times += 1) await look();
      const seqs = Array.from({ length: 3_000 }, (_, index) => BigInt(index + 1));
      await Promise.all(seqs.map((seq) => store.addEntry("held", channel, entry(seq, 1n, "vouchered"))));
      const before = await rowsRead();
      await look();
      const read = (await rowsRead()) - before;
      assert.ok(read >= 3 && read < 100, `${read} rows were read`);
    } finally {
      await emptyTables(database);
    }
  });

  it("reads no more than it changes, however much a channel has, also of a table that was never counted", async function () {
    this.timeout(30_000);
    const store = new SqlVoucherStore(database);
    const seqs = Array.from({ length: 3_000 }, (_, index) => BigInt(index));
    await Promise.all(seqs.map((seq) => store.addEntry("held", channel, entry(seq, 1n))));
    const entries = seqs.slice(500, 510).map((seq) => entry(seq, 1n));
    try {
      const before = await rowsRead();
      await store.setEntries("held", channel, entries, "payable");
      assert.equal(await store.totalExact("held", channel), 10n);
      const read = (await rowsRead()) - before;
      assert.ok(read >= 10 && read < 100, `${read} rows were read`);
    } finally {
      await emptyTables(database);
    }
  });

  /** Of the entries' table and its indexes, since the database was made. */
  async function rowsRead(): Promise<number> {
    await database.sql.execute(sql`select pg_stat_force_next_flush()`);
    const rows = await database.sql.execute(sql`
      select (select coalesce(seq_tup_read, 0) from pg_stat_user_tables where relname = 'ledger_entries')
        + (select sum(idx_tup_read) from pg_stat_user_indexes where relname = 'ledger_entries') as read`);
    return Number(rows[0]!.read);
  }
});
