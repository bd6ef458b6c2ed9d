import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Database } from "../../../node/store/database.ts";
import { LevelVoucherStore } from "../../../node/store/vouchers.ts";
import { describeVoucherStore } from "../../suites/voucher-store.ts";

describeVoucherStore("level", async () => {
  const location = await mkdtemp(join(tmpdir(), "leat-vouchers-"));
  let database = await Database.open(location);
  return {
    store: new LevelVoucherStore(database),
    async reopen() {
      await database.close();
      database = await Database.open(location);
      return new LevelVoucherStore(database);
    },
    async close() {
      await database.close();
      await rm(location, { recursive: true, force: true });
    },
  };
});
