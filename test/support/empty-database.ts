import { createHash } from "node:crypto";
import { cpSync, existsSync, globSync } from "node:fs";
import { mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { is } from "drizzle-orm";
import { PgTable } from "drizzle-orm/pg-core";
import { makeFolder } from "../../node/kernel/make-folder.ts";
import { SqlDatabase } from "../../node/store/sql/database.ts";
import * as schema from "../../node/store/sql/schema.ts";

const root = join(import.meta.dirname, "../..");

/**
 * Opens a database in a folder that is empty or not there. What makes one is tested beside it: here its files are copied
 * from one that was made before, since making them takes PostgreSQL six seconds of a core.
 */
export async function openEmptyDatabase(location: string): Promise<SqlDatabase> {
  await copyEmptyDatabase(location);
  return SqlDatabase.open(location);
}

/** Removes all rows. TRUNCATE takes ten times as long: it makes new files for each table and its indexes. */
export async function emptyTables({ sql }: SqlDatabase): Promise<void> {
  const tables = Object.values(schema).filter((one) => is(one, PgTable));
  await Promise.all(tables.map((table) => sql.delete(table)));
}

/** Puts the files of an empty database into a folder that is empty or not there. */
export async function copyEmptyDatabase(location: string): Promise<void> {
  await makeFolder(dirname(location));
  cpSync(await findOriginal(), location, { recursive: true });
}

/** Made once for all that makes it what it is. */
async function findOriginal(): Promise<string> {
  const folder = join(root, ".toolchain/empty-databases");
  const original = join(folder, await hashMakers());
  if (existsSync(original)) return original;
  await makeFolder(folder);
  const draft = await mkdtemp(`${original}.`);
  const database = await SqlDatabase.open(draft);
  await database.close();
  // Another process may have been faster: one is as good as the other.
  await rename(draft, original).catch(() => rm(draft, { recursive: true, force: true }));
  return original;
}

async function hashMakers(): Promise<string> {
  const hash = createHash("sha256");
  const own = globSync("node/store/sql/**/*.{ts,sql}", { cwd: root });
  for (const path of ["package-lock.json", ...own.sort()]) hash.update(await readFile(join(root, path)));
  return hash.digest("hex").slice(0, 16);
}
