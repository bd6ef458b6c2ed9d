import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { BuyerReports } from "@leat/node/services/balancer/buyer-reports.ts";
import { SessionHubError } from "@leat/node/services/session/hub.ts";
import type { SqlDatabase } from "@leat/node/store/sql/database.ts";
import { JobStore, type ReceiptRow } from "@leat/node/store/sql/job-store.ts";
import { StreamStore } from "@leat/node/store/sql/stream-store.ts";
import { RemoteError } from "@leat/node/wire/errors.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { emptyTables, openEmptyDatabase } from "../../../support/empty-database.ts";
import { FakeHub } from "../../../support/fake-market.ts";
import { FakeNode } from "../../../support/fake-node.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { streamRow } from "../../../support/stream-row.ts";

const word = (text: string): Hex => `0x${Buffer.from(text).toString("hex").padEnd(64, "0")}`;
const [jobA, jobB] = [word("job-a"), word("job-b")];
const buyer = new FakeNode(4, ["buyer"]);

describe("reports to one buyer", () => {
  let folder: string;
  let database: SqlDatabase;
  let clock: ManualClock;
  let hub: FakeHub;
  let tasks: TaskGroup;
  let store: CountingStore;
  let reports: BuyerReports;
  /** What was told, in order. */
  let heard: ReceiptRow[];
  let send: (row: ReceiptRow) => Promise<void>;
  before(async function () {
    this.timeout(60_000);
    folder = await mkdtemp(join(tmpdir(), "leat-reports-"));
    database = await openEmptyDatabase(folder);
  });
  beforeEach(async () => {
    clock = new ManualClock();
    hub = new FakeHub(clock);
    hub.join(buyer);
    tasks = new TaskGroup({ clock });
    store = new CountingStore(database);
    heard = [];
    send = async () => {};
    reports = new BuyerReports({ hub, jobStore: store, clock, logger: silentLogger }, buyer.address, {
      tasks,
      send: async (row) => {
        heard.push(row);
        await send(row);
        await store.markReceipt(row.hash, { reported: true });
        return true;
      },
    });
    await new StreamStore(database).insert({ ...streamRow, buyer: buyer.address }, word("key"));
  });
  afterEach(async () => {
    await tasks.close();
    await emptyTables(database);
  });
  after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function book(job: Hex, seq: number): Promise<ReceiptRow> {
    const row: ReceiptRow = {
      hash: word(`${job.slice(2, 12)} ${seq}`),
      stream: streamRow.id,
      job,
      attempt: 1,
      seq,
      kind: "ingest",
      node: buyer.address,
      receipt: {} as ReceiptRow["receipt"],
      leaves: [],
      units: 1n,
      paidUnits: 1n,
      exact: 1n,
      retailExact: 1n,
      booked: true,
      reported: false,
      writtenOff: false,
      receivedAtMs: clock.nowMs() + seq,
    };
    await store.addReceipt(row);
    return row;
  }
  const left = async () => (await store.unreportedOf([buyer.address], 2_000)).length;
  const until = async (done: () => boolean | Promise<boolean>) => {
    while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  const seqsOf = (job: Hex) => heard.filter((row) => row.job === job).map(({ seq }) => seq);
  const upTo = (count: number) => Array.from({ length: count }, (_, seq) => seq);
  async function drain() {
    reports.read();
    await until(() => !reports.isBusy);
    store.reads = 0;
  }

  it("tell once what is said twice: before, while and after it is told", async () => {
    await drain();
    const row = await book(jobA, 0);
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    send = () => {
      reached.resolve();
      return released.promise;
    };
    reports.add(row);
    reports.add(row);
    await reached.promise;
    reports.add(row);
    released.resolve();
    await until(() => !reports.isBusy);
    reports.add(row);
    const next = await book(jobA, 1);
    reports.add(next);
    await until(() => !reports.isBusy);
    assert.deepEqual(seqsOf(jobA), [0, 1]);
    assert.equal(store.reads, 0);
  });

  it("keep the order of each job and lose none where more comes than memory may hold", async function () {
    this.timeout(30_000);
    await drain();
    const first = await book(jobB, 0);
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    send = (row) => {
      if (row.hash !== first.hash) return Promise.resolve();
      reached.resolve();
      return released.promise;
    };
    reports.add(first);
    await reached.promise;
    for (const row of await Promise.all(upTo(1_300).map((seq) => book(jobA, seq)))) reports.add(row);
    assert.equal(store.reads, 0);
    assert.deepEqual(seqsOf(jobA), []);
    released.resolve();
    // More comes while the disk is read.
    for (const seq of [1_300, 1_301, 1_302]) reports.add(await book(jobA, seq));
    await until(() => heard.length === 1_304 && !reports.isBusy);
    assert.equal(await left(), 0);
    assert.deepEqual(seqsOf(jobA), upTo(1_303));
    assert.ok(store.reads <= 6, `${store.reads} reads`);
  });

  it("ask nothing more of a buyer that is away before the next look, whatever comes", async () => {
    await drain();
    send = async () => {
      throw new SessionHubError({ code: "SESSION_NODE_ABSENT", node: buyer.address });
    };
    const rows = await Promise.all(upTo(5).map((seq) => book(jobA, seq)));
    for (const row of rows) reports.add(row);
    await until(() => !reports.isBusy);
    for (const seq of [5, 6, 7]) reports.add(await book(jobA, seq));
    assert.deepEqual(seqsOf(jobA), [0]);
    assert.equal(store.reads, 0);
    send = async () => {};
    reports.look();
    await until(async () => (await left()) === 0);
    assert.deepEqual(seqsOf(jobA), [0, ...upTo(8)]);
  });

  it("ask again much later for what the buyer refused, and tell the rest at once", async () => {
    await drain();
    const refused = await book(jobA, 0);
    send = async (row) => {
      if (row.hash === refused.hash) throw new RemoteError({ code: "REPORT_WRONG", method: "usage.report" });
    };
    reports.add(refused);
    reports.add(await book(jobA, 1));
    await until(() => !reports.isBusy);
    assert.equal(await left(), 1);
    reports.read();
    await until(() => !reports.isBusy);
    await clock.advance(59_999);
    reports.look();
    await until(() => !reports.isBusy);
    assert.deepEqual(seqsOf(jobA), [0, 1]);
    await clock.advance(1);
    send = async () => {};
    reports.look();
    await until(async () => (await left()) === 0);
    assert.deepEqual(seqsOf(jobA), [0, 1, 0]);
  });
});

/** Counts how often what was not reported is read for reports, a page at a time. */
class CountingStore extends JobStore {
  reads = 0;

  override unreportedOf(...query: Parameters<JobStore["unreportedOf"]>): ReturnType<JobStore["unreportedOf"]> {
    if (query[1] <= 500) this.reads += 1;
    return super.unreportedOf(...query);
  }
}
