import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Database } from "../../../node/store/database.ts";
import { LevelVoucherStore } from "../../../node/store/vouchers.ts";
import type { Hex } from "../../../sdk/protocol/hex.ts";
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

describe("a level voucher store of an older node", () => {
  it("knows closed entries that were kept one by one, and adds rows beside them", async () => {
    const location = await mkdtemp(join(tmpdir(), "leat-vouchers-"));
    const database = await Database.open(location);
    try {
      const [channel, job, receiptHash] = [bytes32("1"), bytes32("2"), bytes32("3")];
      const name = (seq: bigint) => `${job}/${"1".padStart(10, "0")}/${seq.toString().padStart(20, "0")}`;
      await database.change(async (changes) => {
        for (const seq of [2n, 3n, 9n]) {
          changes.put(`entry/done/held/${channel}/${name(seq)}`, JSON.stringify(["5", receiptHash, "vouchered"]));
        }
        changes.put(`total/held/${channel}`, "15");
      });
      const store = new LevelVoucherStore(database);
      const entryOf = (seq: bigint) => ({ job, attempt: 1, seq, exact: 5n, receiptHash, state: "payable" as const });
      const all = Array.from({ length: 10 }, (_, at) => BigInt(at + 1));
      const addAll = async () => {
        const added = await Promise.all(all.map((seq) => store.addEntry("held", channel, entryOf(seq))));
        return all.filter((_, at) => added[at]);
      };
      const missing = [1n, 4n, 5n, 6n, 7n, 8n, 10n];
      assert.deepEqual(await addAll(), missing);
      await store.setEntries("held", channel, missing.map(entryOf), "vouchered");
      assert.deepEqual(await addAll(), []);
      assert.deepEqual(
        (await database.list("entry/done/")).map(([key]) => key.slice(-2)),
        ["01", "02", "03", "08", "09", "10"],
      );
      await store.forgetJob("held", channel, job);
      assert.deepEqual(await database.list("entry/"), []);
    } finally {
      await database.close();
      await rm(location, { recursive: true, force: true });
    }
  });
});

function bytes32(digits: string): Hex {
  return `0x${digits.padStart(64, "0")}`;
}
