import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqlDatabase } from "@leat/node/store/sql/database.ts";
import { type AttemptRow, type CheckRow, JobStore, type ReceiptRow } from "@leat/node/store/sql/job-store.ts";
import { attempts, checks, receipts } from "@leat/node/store/sql/schema.ts";
import { SqlVoucherStore } from "@leat/node/store/sql/voucher-store.ts";
import type { AttemptCost } from "@leat/node/store/sql/work-costs.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { sql } from "drizzle-orm";
import { openEmptyDatabase } from "../../../support/empty-database.ts";

const hash = (byte: number): Hex => `0x${byte.toString(16).padStart(2, "0").repeat(32)}`;
const address = (byte: number): Hex => `0x${byte.toString(16).padStart(2, "0").repeat(20)}`;
const [stream, other, channel] = [hash(1), hash(2), hash(3)];
const [job, edge] = [hash(4), hash(5)];
const unspecified = {
  node: address(9),
  state: "failed",
  assignment: {},
  quote: {},
  prices: {},
  selection: hash(6),
  units: 1n,
  startSequence: 0,
  endSequence: 4,
  startedAtMs: 1,
  endedAtMs: 2,
} as unknown as AttemptRow;

describe("costs of a stream's work", () => {
  let folder: string;
  let database: SqlDatabase;
  let store: JobStore;
  let vouchers: SqlVoucherStore;
  let made = 16;
  before(async function () {
    this.timeout(60_000);
    folder = await mkdtemp(join(tmpdir(), "leat-costs-"));
    database = await openEmptyDatabase(folder);
    store = new JobStore(database);
    vouchers = new SqlVoucherStore(database);
  });
  after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function receipt(change: Partial<ReceiptRow> & { readonly seq: number }): Promise<ReceiptRow> {
    made += 1;
    const row: ReceiptRow = {
      hash: hash(made),
      stream,
      job,
      attempt: 1,
      kind: "transcode",
      node: address(9),
      receipt: {} as ReceiptRow["receipt"],
      leaves: [],
      units: 100n,
      paidUnits: 100n,
      exact: 10n ** 24n,
      retailExact: 11n * 10n ** 23n,
      booked: true,
      reported: false,
      writtenOff: false,
      receivedAtMs: made,
      ...change,
    };
    assert.ok(await store.addReceipt(row));
    return row;
  }
  const book = async (
    { job: of, attempt, seq, hash: receiptHash, retailExact }: ReceiptRow,
    state: "waiting" | "payable",
  ) =>
    vouchers.addEntry("held", channel, { job: of, attempt, seq: BigInt(seq), exact: retailExact, receiptHash, state });
  const check = (seq: number, verdict: number) =>
    store.addCheck({
      job,
      attempt: 1,
      seq,
      check: 1,
      checker: address(8),
      verdict,
      code: null,
      statement: {} as CheckRow["statement"],
      checkedAtMs: 1,
    });

  it("are those of its own receipts, by what becomes of each, and stay when the books forget", async () => {
    const rows = await Promise.all([0, 1, 2, 3].map((seq) => receipt({ seq })));
    await receipt({ seq: 0, stream: other, job: hash(7) });
    // The same once more, and another one of the same segment.
    assert.equal(await store.addReceipt(rows[0]!), false);
    assert.equal(await store.addReceipt({ ...rows[0]!, hash: hash(15) }), false);
    // An edge served more than its budget pays for.
    await receipt({ seq: 0, job: edge, kind: "delivery", paidUnits: 40n, retailExact: 44n });
    await book(rows[0]!, "payable");
    await book(rows[1]!, "waiting");
    await book(rows[2]!, "waiting");
    await vouchers.setEntries("held", channel, [{ job, attempt: 1, seq: 2n }], "forfeited");
    const [of, served] = (await store.costsOf(stream, channel)).toSorted((left) => (left.job === job ? -1 : 1));
    const each = 11n * 10n ** 23n;
    assert.deepEqual(of, {
      job,
      attempt: 1,
      receipts: 4,
      paidUnits: 300n,
      // The last has no entry and nothing against it.
      dueExact: 2n * each,
      waitingExact: each,
      droppedExact: each,
    });
    assert.deepEqual([served!.job, served!.paidUnits, served!.dueExact], [edge, 40n, 44n]);
    const paid = [0n, 1n].map((seq) => ({ job, attempt: 1, seq }));
    await vouchers.setEntries("held", channel, paid, "vouchered");
    await check(2, 2);
    await vouchers.forgetJob("held", channel, job);
    const sums = async () => {
      const found = (await store.costsOf(stream, channel)).find((one) => one.job === job)!;
      return [found.dueExact / each, found.waitingExact / each, found.droppedExact / each];
    };
    assert.deepEqual(await sums(), [3n, 0n, 1n]);
    // Nobody said that these are good, and their attempt was ended for bad work: it lost what was not paid by then.
    await check(0, 1);
    const over = { job, attempt: 1, endCode: "CHECK_FAILED" } as AttemptRow;
    await database.sql.insert(attempts).values({ ...unspecified, ...over });
    assert.deepEqual(await sums(), [1n, 0n, 3n]);
    await store.markReceipt(rows[0]!.hash, { writtenOff: true });
    assert.deepEqual(await sums(), [0n, 0n, 4n]);
  });

  it("counts the checks of each attempt once, and knows the last segment that passed", async () => {
    const checked = hash(8);
    const one = (seq: number, verdict: number, attempt = 1) => ({
      job: checked,
      attempt,
      seq,
      check: 1,
      checker: address(8),
      verdict,
      code: null,
      statement: {} as CheckRow["statement"],
      checkedAtMs: 1,
    });
    assert.equal(await store.lastPassed(checked), undefined);
    for (const row of [one(0, 1), one(1, 1), one(2, 2), one(2, 2, 2)]) assert.ok(await store.addCheck(row));
    assert.equal(await store.addCheck(one(2, 2)), false);
    const totals = (await store.checkTotalsOf(checked)).toSorted((left, right) => left.attempt - right.attempt);
    assert.deepEqual(
      totals.map(({ attempt, checks, failed }) => [attempt, checks, failed]),
      [
        [1, 3, 1],
        [2, 1, 1],
      ],
    );
    assert.equal(await store.lastPassed(checked), 1);
  });

  it("are planned by what the tables hold, once they were tidied", async () => {
    const known = async () =>
      (await database.sql.execute(
        sql`select relname as name, reltuples::integer as rows from pg_class where relname in ('receipts', 'checks')`,
      )) as unknown as { name: string; rows: number }[];
    assert.deepEqual(new Set((await known()).map(({ rows }) => rows)), new Set([-1]));
    await database.tidy();
    const held = { receipts: await database.sql.$count(receipts), checks: await database.sql.$count(checks) };
    assert.deepEqual(Object.fromEntries((await known()).map(({ name, rows }) => [name, rows])), held);
  });

  it("are counted anew where a database of before had no sums", async () => {
    const byAttempt = (costs: readonly AttemptCost[]) =>
      costs.toSorted((left, right) => (left.job < right.job ? -1 : 1));
    const costs = byAttempt(await store.costsOf(stream, channel));
    const totals = await store.checkTotalsOf(job);
    assert.ok(costs.length > 1 && totals.length > 0);
    for (const undo of [
      "DROP TABLE receipt_totals",
      "DROP TABLE check_totals",
      "DROP INDEX receipts_written_off, checks_failed, receipts_unbooked, receipts_unreported, ledger_entries_unsettled",
      "CREATE INDEX ledger_entries_state ON ledger_entries (side, channel, state)",
      "DELETE FROM migrations WHERE name = '0009-totals.sql'",
    ]) {
      await database.sql.execute(sql.raw(undo));
    }
    await database.close();
    database = await SqlDatabase.open(folder);
    store = new JobStore(database);
    assert.deepEqual(byAttempt(await store.costsOf(stream, channel)), costs);
    assert.deepEqual(await store.checkTotalsOf(job), totals);
  });
});
