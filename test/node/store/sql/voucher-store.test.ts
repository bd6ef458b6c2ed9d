import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqlDatabase } from "../../../../node/store/sql/database.ts";
import { SqlVoucherStore } from "../../../../node/store/sql/voucher-store.ts";
import { describeVoucherStore } from "../../../suites/voucher-store.ts";
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
});
