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
    another: () => new LevelVoucherStore(database),
    async close() {
      await database.close();
      await rm(location, { recursive: true, force: true });
    },
  };
});

describe("a level voucher store", () => {
  let location: string;
  let database: Database;
  beforeEach(async () => {
    location = await mkdtemp(join(tmpdir(), "leat-vouchers-"));
    database = await Database.open(location);
  });
  afterEach(async () => {
    await database.close();
    await rm(location, { recursive: true, force: true });
  });

  it("keeps open entries in as few places as there were at once, and closes them without a delete", async () => {
    const [channel, receiptHash] = [bytes32("1"), bytes32("3")];
    for (const job of [bytes32("2"), bytes32("4")]) {
      for (let seq = 1n; seq <= 9n; seq += 3n) {
        // As after a restart each time.
        const store = new LevelVoucherStore(database);
        const row = [seq, seq + 1n, seq + 2n].map((seq) => ({ job, attempt: 1, seq }));
        for (const key of row) {
          await store.addEntry("held", channel, { ...key, exact: 5n, receiptHash, state: "payable" });
        }
        assert.equal(await store.countOpen("held", channel), 3);
        await store.setEntries("held", channel, row, "vouchered");
        assert.equal((await database.list("entry/open/")).length, 3);
      }
    }
    const store = new LevelVoucherStore(database);
    assert.deepEqual(await store.openEntries("held", channel), []);
    // What still stands in those places is of the newer job.
    await store.forgetJob("held", channel, bytes32("2"));
    assert.equal((await database.list("entry/open/")).length, 3);
    await store.forgetJob("held", channel, bytes32("4"));
    assert.deepEqual(await database.list("entry/"), []);
    assert.deepEqual(await new LevelVoucherStore(database).openEntries("held", channel), []);
  });

  it("puts what is added after a restart over nothing that is open", async () => {
    const [channel, job, receiptHash] = [bytes32("1"), bytes32("2"), bytes32("3")];
    const entryOf = (seq: bigint) => ({ job, attempt: 1, seq, exact: 5n, receiptHash, state: "payable" as const });
    for (const seq of [1n, 2n, 3n]) await new LevelVoucherStore(database).addEntry("held", channel, entryOf(seq));
    const open = await new LevelVoucherStore(database).openEntries("held", channel);
    assert.deepEqual(open, [1n, 2n, 3n].map(entryOf));
  });

  it("gives up most of the places where much was open at once, and knows after a restart which of the rest are open", async () => {
    const [channel, job, receiptHash] = [bytes32("1"), bytes32("2"), bytes32("3")];
    const keys = Array.from({ length: 300 }, (_, at) => ({ job, attempt: at % 3, seq: BigInt(at) }));
    const store = new LevelVoucherStore(database);
    const entryOf = (key: (typeof keys)[0]) => ({ ...key, exact: 5n, receiptHash, state: "payable" as const });
    await Promise.all(keys.map((key) => store.addEntry("held", channel, entryOf(key))));
    const closed = keys.filter(({ seq }) => seq % 50n !== 0n);
    await store.setEntries("held", channel, closed, "vouchered");
    const open = keys.filter(({ seq }) => seq % 50n === 0n).map(entryOf);
    const sorted = open.sort((left, right) => left.attempt - right.attempt || Number(left.seq - right.seq));
    assert.equal((await database.list("entry/open/")).length, open.length + 64);
    const again = new LevelVoucherStore(database);
    assert.deepEqual(await again.openEntries("held", channel), sorted);
    const added = await Promise.all(keys.map((key) => again.addEntry("held", channel, entryOf(key))));
    assert.deepEqual(new Set(added), new Set([false]));
  });

  it("knows open entries that an older node kept under their names", async () => {
    const [channel, job, receiptHash] = [bytes32("1"), bytes32("2"), bytes32("3")];
    const entry = { job, attempt: 1, seq: 7n, exact: 5n, receiptHash, state: "payable" as const };
    const name = `${job}/${"1".padStart(10, "0")}/${"7".padStart(20, "0")}`;
    await database.change((changes) => {
      changes.put(`entry/open/held/${channel}/${name}`, JSON.stringify(["5", receiptHash, "payable"]));
      changes.put(`total/held/${channel}`, "5");
    });
    assert.deepEqual(await new LevelVoucherStore(database).openEntries("held", channel), [entry]);
    const store = new LevelVoucherStore(database);
    await store.setEntries("held", channel, [entry], "vouchered");
    assert.equal(await store.addEntry("held", channel, entry), false);
    assert.deepEqual(await new LevelVoucherStore(database).openEntries("held", channel), []);
    await store.forgetJob("held", channel, job);
    assert.deepEqual(await database.list("entry/"), []);
  });

  it("knows closed entries that an older node kept one by one, and adds rows beside them", async () => {
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
  });
});

function bytes32(digits: string): Hex {
  return `0x${digits.padStart(64, "0")}`;
}
