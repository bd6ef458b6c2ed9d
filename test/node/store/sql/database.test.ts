import assert from "node:assert/strict";
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq, is, sql } from "drizzle-orm";
import { getTableConfig, PgTable } from "drizzle-orm/pg-core";
import { SqlError } from "../../../../node/store/sql/connection.ts";
import { SqlDatabase } from "../../../../node/store/sql/database.ts";
import { lockFolder } from "../../../../node/store/sql/lock.ts";
import * as schema from "../../../../node/store/sql/schema.ts";
import { openEmptyDatabase } from "../../../support/empty-database.ts";

const node = `0x${"11".repeat(20)}` as const;
const standing = (good: bigint) => ({ node, good, bad: 0n, passed: 0, failed: 0 });

describe("sql database", () => {
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
  afterEach(async () => {
    await database.sql.delete(schema.standings);
  });

  it("has exactly the columns that the schema names", async () => {
    const found = (await database.sql.execute(
      sql`select table_name, column_name, is_nullable from information_schema.columns where table_schema = 'public'`,
    )) as { table_name: string; column_name: string; is_nullable: string }[];
    const names = found
      .filter((row) => row.table_name !== "migrations")
      .map((row) => `${row.table_name}.${row.column_name} ${row.is_nullable}`);
    const wanted = Object.values(schema)
      .filter((table) => is(table, PgTable))
      .flatMap((table) => {
        const { name, columns, primaryKeys } = getTableConfig(table);
        const keyed = primaryKeys.flatMap((key) => key.columns.map((column) => column.name));
        return columns.map(
          (column) => `${name}.${column.name} ${column.notNull || keyed.includes(column.name) ? "NO" : "YES"}`,
        );
      });
    assert.deepEqual(names.sort(), wanted.sort());
  });

  it("lets nobody else into its folder, and takes it over from a process that is gone", async function () {
    this.timeout(60_000);
    const place = await mkdtemp(join(tmpdir(), "leat-sql-lock-"));
    const location = join(place, "sql");
    const code = "SQL_IN_USE";
    try {
      const first = await SqlDatabase.open(location);
      await assert.rejects(SqlDatabase.open(location), { code });
      await first.close();
      const release = await lockFolder(location);
      await release();
      const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000); console.log()"]);
      await once(other.stdout, "data");
      const stat = readFileSync(`/proc/${other.pid}/stat`, "utf8");
      await writeFile(`${location}.lock`, `${other.pid} ${stat.slice(stat.lastIndexOf(")")).split(" ")[20]}\n`);
      await assert.rejects(SqlDatabase.open(location), (error: SqlError) => {
        assert.deepEqual(error.detail, { code, location, pid: other.pid });
        return true;
      });
      const gone = once(other, "exit");
      other.kill("SIGKILL");
      await gone;
      await (await lockFolder(location))();
      await writeFile(`${location}.lock`, `${process.ppid} 1\n`);
      const second = await SqlDatabase.open(location);
      await second.close();
      assert.deepEqual(readdirSync(place), ["sql"]);
    } finally {
      await rm(place, { recursive: true, force: true });
    }
  });

  it("keeps integers of any size", async () => {
    const good = 2n ** 255n;
    await database.sql.insert(schema.standings).values(standing(good));
    const [row] = await database.sql.select().from(schema.standings);
    assert.equal(row?.good, good);
  });

  it("undoes a transaction that fails, and shows none of it to others meanwhile", async () => {
    let others: Promise<unknown[]> | undefined;
    await assert.rejects(
      database.transaction(async (tx) => {
        await tx.insert(schema.standings).values(standing(1n));
        others = database.sql
          .select()
          .from(schema.standings)
          .then((rows) => rows);
        assert.equal((await tx.select().from(schema.standings)).length, 1);
        throw new Error("changed its mind");
      }),
      /changed its mind/,
    );
    assert.deepEqual(await others, []);
  });

  it("runs transactions one after the other", async () => {
    await database.sql.insert(schema.standings).values(standing(0n));
    const add = () =>
      database.transaction(async (tx) => {
        const [row] = await tx.select().from(schema.standings);
        await tx
          .update(schema.standings)
          .set({ good: row!.good + 1n })
          .where(eq(schema.standings.node, node));
      });
    await Promise.all(Array.from({ length: 10 }, add));
    const [row] = await database.sql.select().from(schema.standings);
    assert.equal(row?.good, 10n);
  });

  it("names a statement that fails", async () => {
    await database.sql.insert(schema.standings).values(standing(0n));
    await assert.rejects(database.sql.insert(schema.standings).values(standing(0n)), (error: Error) =>
      error.cause instanceof SqlError
        ? error.cause.code === "SQL_STATEMENT_FAILED"
        : error instanceof SqlError && error.code === "SQL_STATEMENT_FAILED",
    );
  });

  it("leaves a folder alone that holds something else", async function () {
    this.timeout(60_000);
    const place = join(folder, "pg_wal");
    const before = readdirSync(place);
    await assert.rejects(
      SqlDatabase.open(place),
      (error) => error instanceof SqlError && error.code === "SQL_OPEN_FAILED",
    );
    assert.deepEqual(readdirSync(place), before);
  });
});

describe("sql database killed in the middle of writing", () => {
  it("has every row that it acknowledged, and whole transactions only", async function () {
    this.timeout(60_000);
    const folder = await mkdtemp(join(tmpdir(), "leat-sql-"));
    try {
      const child = fork(join(import.meta.dirname, "../../../support/sql-writer.ts"), [folder]);
      let acknowledged = 0;
      child.on("message", (count: number) => {
        acknowledged = count;
        if (count >= 40) child.kill("SIGKILL");
      });
      await once(child, "exit");
      assert.ok(acknowledged >= 40);
      const database = await SqlDatabase.open(folder);
      try {
        const rows = await database.sql.select().from(schema.idempotencyKeys);
        assert.ok(rows.length >= acknowledged * 2, `${rows.length} rows of ${acknowledged} pairs`);
        assert.equal(rows.length % 2, 0);
      } finally {
        await database.close();
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
