import { existsSync, readdirSync, readFileSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { getTableName, is } from "drizzle-orm";
import { PgTable } from "drizzle-orm/pg-core";
import { drizzle, type PgRemoteDatabase } from "drizzle-orm/pg-proxy";
import { makeFolder } from "../../kernel/make-folder.ts";
import { SqlConnection, SqlError } from "./connection.ts";
import { lockFolder } from "./lock.ts";
import * as schema from "./schema.ts";

export type Sql = PgRemoteDatabase<typeof schema>;

/**
 * A cluster's durable state: PostgreSQL embedded in a thread of its own. What resolved is on disk; a transaction is
 * all or nothing and sees nobody else's half.
 */
export class SqlDatabase {
  readonly sql: Sql;
  readonly #connection: SqlConnection;
  readonly #release: () => Promise<void>;
  #nextTransaction = 1;

  private constructor(connection: SqlConnection, release: () => Promise<void>) {
    this.#connection = connection;
    this.#release = release;
    this.sql = this.#drizzle(undefined);
  }

  /** Opens (and migrates) the database in a folder. */
  static async open(location: string): Promise<SqlDatabase> {
    await makeFolder(dirname(location));
    const release = await lockFolder(location);
    try {
      await createFiles(location);
      return await SqlDatabase.#open(location, release);
    } catch (error) {
      await release();
      throw error;
    }
  }

  static async #open(location: string, release: () => Promise<void>): Promise<SqlDatabase> {
    const database = new SqlDatabase(await SqlConnection.open(location), release);
    try {
      await database.#migrate();
      return database;
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  /**
   * Frees what is dead and counts what there is, table by table, so that others wait for one table at most. PostgreSQL
   * does it by itself where it is a server; embedded, it has nobody for it, and plans as if every table were small.
   */
  async tidy(): Promise<void> {
    for (const table of Object.values(schema).filter((one) => is(one, PgTable))) {
      await this.#run(`VACUUM (ANALYZE, TRUNCATE false) ${getTableName(table)}`);
    }
  }

  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    const transaction = this.#nextTransaction;
    this.#nextTransaction += 1;
    await this.#connection.send({ kind: "begin", transaction });
    try {
      const result = await work(this.#drizzle(transaction));
      await this.#connection.send({ kind: "end", transaction, commit: true });
      return result;
    } catch (error) {
      // The cause counts, not that a broken connection cannot roll back either.
      await this.#connection.send({ kind: "end", transaction, commit: false }).catch(() => {});
      throw error;
    }
  }

  async close(): Promise<void> {
    try {
      await this.#connection.close();
    } finally {
      await this.#release();
    }
  }

  #drizzle(transaction: number | undefined): Sql {
    const run = async (text: string, params: unknown[], method: "all" | "execute") => ({
      rows: [
        ...(await this.#connection.send({
          kind: "query",
          sql: text,
          params,
          rowMode: method === "all" ? "array" : "object",
          ...(transaction === undefined ? {} : { transaction }),
        })),
      ],
    });
    return drizzle(run, { schema });
  }

  /** Applies the committed files in order, each once, each with its own mark in one transaction. */
  async #migrate(): Promise<void> {
    const folder = join(import.meta.dirname, "migrations");
    const names = readdirSync(folder)
      .filter((name) => name.endsWith(".sql"))
      .sort();
    await this.#run("CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY)");
    const done = new Set((await this.#run("SELECT name FROM migrations")).map((row) => (row as { name: string }).name));
    for (const name of done) {
      // Written by a newer version: going on would write rows that it misreads.
      if (!names.includes(name)) throw new SqlError({ code: "SQL_MIGRATION_UNKNOWN", name });
    }
    for (const name of names.filter((each) => !done.has(each))) {
      const statements = readFileSync(join(folder, name), "utf8").split(/;\s*$/m);
      const transaction = this.#nextTransaction;
      this.#nextTransaction += 1;
      await this.#connection.send({ kind: "begin", transaction });
      for (const statement of statements) if (statement.trim() !== "") await this.#run(statement, transaction);
      await this.#run(`INSERT INTO migrations (name) VALUES ('${name}')`, transaction);
      await this.#connection.send({ kind: "end", transaction, commit: true });
    }
  }

  #run(sql: string, transaction?: number): Promise<readonly unknown[]> {
    return this.#connection.send({
      kind: "query",
      sql,
      params: [],
      rowMode: "object",
      ...(transaction === undefined ? {} : { transaction }),
    });
  }
}

/**
 * Makes the files of a new database beside their place and moves them there whole: a process killed while making them
 * leaves nothing that could be taken for a database. The thread that made them goes, and with it 360 MB of memory.
 */
async function createFiles(location: string): Promise<void> {
  if (existsSync(join(location, "PG_VERSION"))) return;
  const draft = `${location}.new`;
  await rm(draft, { recursive: true, force: true });
  const connection = await SqlConnection.open(draft);
  await connection.close();
  // Only an empty folder gives way: whatever else stands there is somebody's.
  await rename(draft, location).catch(async (cause: Error) => {
    await rm(draft, { recursive: true, force: true });
    throw new SqlError({ code: "SQL_OPEN_FAILED", location, reason: cause.message }, { cause });
  });
}
