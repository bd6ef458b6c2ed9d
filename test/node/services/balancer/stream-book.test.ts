import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StreamBook } from "@leat/node/services/balancer/stream-book.ts";
import type { SqlDatabase } from "@leat/node/store/sql/database.ts";
import { type StreamRow, StreamStore } from "@leat/node/store/sql/stream-store.ts";
import { openEmptyDatabase } from "../../../support/empty-database.ts";
import { streamRow } from "../../../support/stream-row.ts";

const { id } = streamRow;

describe("book of streams", () => {
  let folder: string;
  let database: SqlDatabase;
  let store: StreamStore;
  let book: StreamBook;
  before(async function () {
    this.timeout(60_000);
    folder = await mkdtemp(join(tmpdir(), "leat-book-"));
    database = await openEmptyDatabase(folder);
    store = new StreamStore(database);
    book = new StreamBook(store);
    await book.insert(streamRow, `0x${"44".repeat(32)}`);
  });
  after(async () => {
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  beforeEach(() => book.change(id, { state: "live", nextSequence: 4, nextFrame: 40n }));

  const placesOf = ({ nextSequence, nextFrame }: StreamRow) => [nextSequence, nextFrame];
  /** As it is held, and as it was written. */
  const places = async () => [placesOf((await book.find(id))!), placesOf((await store.find(id))!)];

  it("lets no stream fall back, whoever tells late of how far it is", async () => {
    await Promise.all([book.advance(id, 7, 70n), book.advance(id, 6), book.advance(id, 5, 80n)]);
    assert.deepEqual(await places(), [
      [7, 80n],
      [7, 80n],
    ]);
  });

  it("changes nothing of one that is over, or that it does not know", async () => {
    const ending = book.change(id, { state: "ended" });
    await Promise.all([ending, book.advance(id, 9, 90n)]);
    await book.advance(id, 9, 90n);
    await book.advance(`0x${"55".repeat(32)}`, 9, 90n);
    assert.deepEqual(await places(), [
      [4, 40n],
      [4, 40n],
    ]);
  });

  it("knows no more of one that is over than is on disk", async () => {
    const frail = new FrailStore(database);
    const other = new StreamBook(frail);
    await other.load();
    await other.change(id, { state: "ended" });
    frail.isFull = true;
    await assert.rejects(other.change(id, { unsignedPaidBytes: 7n }), /disk is full/);
    assert.equal((await other.find(id))!.unsignedPaidBytes, 0n);
    frail.isFull = false;
    await other.change(id, { unsignedPaidBytes: 8n });
    assert.equal((await other.find(id))!.unsignedPaidBytes, 8n);
  });
});

class FrailStore extends StreamStore {
  isFull = false;

  override async update(...change: Parameters<StreamStore["update"]>): ReturnType<StreamStore["update"]> {
    if (this.isFull) throw new Error("the disk is full");
    return super.update(...change);
  }
}
