import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zeroHash } from "@leat/sdk/protocol/hex.ts";
import { JobBook, type LiveJob } from "../../../../node/services/balancer/job-book.ts";
import type { SqlDatabase } from "../../../../node/store/sql/database.ts";
import { type AttemptRow, JobStore } from "../../../../node/store/sql/job-store.ts";
import { openEmptyDatabase } from "../../../support/empty-database.ts";
import { codeOf, randomHash } from "../../../support/fake-market.ts";
import { FakeNode } from "../../../support/fake-node.ts";

const node = new FakeNode(1, ["transcode"]);
const signature = `0x${"00".repeat(65)}` as const;

describe("job book", () => {
  let folder: string;
  let database: SqlDatabase;
  let store: JobStore;
  let book: JobBook;
  before(async function () {
    this.timeout(60_000);
    folder = await mkdtemp(join(tmpdir(), "leat-jobs-"));
    database = await openEmptyDatabase(folder);
    store = new JobStore(database);
    book = new JobBook(store);
  });
  after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  const create = () =>
    book.create(randomHash(1), "h264", { primitive: "ingest", stream: randomHash(1), slug: "s".repeat(22) }, 1);
  const attemptOf = (job: AttemptRow["job"], attempt: number): AttemptRow => ({
    job,
    attempt,
    node: node.address,
    state: "running",
    assignment: {
      value: { job, attempt, node: node.address, quoteHash: zeroHash, firstFrame: 0n, validUntil: 1n },
      signature,
    },
    quote: {
      value: {
        node: node.address,
        payer: node.address,
        token: node.address,
        specHash: zeroHash,
        pricesHash: zeroHash,
        maxUnits: 1n,
        validUntil: 1n,
        nonce: 1n,
      },
      signature,
    },
    prices: {},
    selection: zeroHash,
    units: 1n,
    grantedBytes: 0n,
    startSequence: 0,
    endSequence: null,
    startedAtMs: 1,
    endedAtMs: null,
    endCode: null,
  });
  const statesOf = async (job: AttemptRow["job"]) => [
    (await store.job(job))?.state,
    ...(await store.attemptsOf(job)).map(({ state }) => state),
  ];

  it("knows who took each segment of a stream in, over attempts, pauses and its end", async () => {
    const stream = randomHash(2);
    const nodes = [5, 6, 7].map((number) => new FakeNode(number, ["ingest"]).address);
    const spec = { primitive: "ingest", stream, slug: "s".repeat(22) } as const;
    const end = { state: "ended", endSequence: 4, endedAtMs: 2, endCode: "JOB_REPLACED" } as const;
    const first = await book.create(stream, "ingest", spec, 1);
    const begin = (live: LiveJob, attempt: number, startSequence: number) => {
      const [node] = nodes.splice(0, 1);
      return book.begin(live, { ...attemptOf(live.row.id, attempt), node: node!, startSequence });
    };
    const [a, b, c] = [...nodes];
    const who = () => Promise.all([0, 3, 4, 8, 9, 100].map((sequence) => book.originAt(stream, sequence)));
    assert.deepEqual(await who(), Array(6).fill(undefined));
    await begin(first, 1, 0);
    await book.endAttempt(first, first.attempt!, end);
    await begin(first, 2, 4);
    assert.deepEqual(await who(), [a, a, b, b, b, b]);
    await book.end(first, "STREAM_PAUSED", 3);
    const next = await book.create(stream, "ingest", spec, 4);
    assert.deepEqual(await who(), [a, a, b, b, b, b]);
    await begin(next, 1, 9);
    assert.deepEqual(await who(), [a, a, b, b, c, c]);
    await book.end(next, "STREAM_ENDED", 5);
    assert.deepEqual(await who(), [a, a, b, b, c, c]);
  });

  it("begins no attempt of a job that is being ended", async () => {
    const live = await create();
    const ending = book.end(live, "STREAM_ENDED", 2);
    await assert.rejects(book.begin(live, attemptOf(live.row.id, 1)), codeOf("STREAM_ENDED"));
    assert.equal(await ending, undefined);
    assert.deepEqual(await statesOf(live.row.id), ["ended"]);
  });

  it("ends the attempt that is being begun, and answers it to be settled", async () => {
    const live = await create();
    const beginning = book.begin(live, attemptOf(live.row.id, 1));
    const ran = await book.end(live, "STREAM_ENDED", 2);
    await beginning;
    assert.equal(ran?.attempt, 1);
    assert.deepEqual(await statesOf(live.row.id), ["ended", "ended"]);
  });

  it("ends an attempt once, and loses no other change that is made meanwhile", async () => {
    const live = await create();
    await book.begin(live, attemptOf(live.row.id, 1));
    const end = { state: "failed", endSequence: 3, endedAtMs: 2, endCode: "NODE_LOST" } as const;
    const [first, , second] = await Promise.all([
      book.endAttempt(live, live.attempt!, end),
      book.exclude(live, node.address, "NODE_LOST"),
      book.endAttempt(live, live.attempt!, { ...end, state: "ended" }),
    ]);
    assert.deepEqual([first, second], [true, false]);
    assert.deepEqual(await statesOf(live.row.id), ["waiting", "failed"]);
    assert.deepEqual((await store.job(live.row.id))?.excluded, [{ node: node.address, reason: "NODE_LOST" }]);
    assert.deepEqual(live.row, await store.job(live.row.id));
  });

  it("knows a job that has ended, and its last attempt, without asking the disk", async () => {
    const live = await create();
    await book.begin(live, attemptOf(live.row.id, 1));
    await book.end(live, "STREAM_ENDED", 2);
    const { job, attempt } = store;
    Object.assign(store, { job: fail, attempt: fail });
    try {
      assert.equal((await book.job(live.row.id))?.endCode, "STREAM_ENDED");
      assert.equal((await book.attempt(live.row.id, 1))?.state, "ended");
    } finally {
      Object.assign(store, { job, attempt });
    }
  });
});

const fail = () => assert.fail("the disk was asked");
