import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StreamBook } from "@leat/node/services/balancer/stream-book.ts";
import type { SqlDatabase } from "@leat/node/store/sql/database.ts";
import { type StreamRow, StreamStore } from "@leat/node/store/sql/stream-store.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { openEmptyDatabase } from "../../../support/empty-database.ts";

const id: Hex = `0x${"11".repeat(32)}`;
const address = (byte: string): Hex => `0x${byte.repeat(20)}`;

const row: StreamRow = {
  id,
  slug: "slug",
  buyer: address("22"),
  token: address("33"),
  ladder: [],
  passthrough: true,
  nonce: `0x${"66".repeat(32)}`,
  priceCeilings: {},
  retail: {},
  marginBps: 0,
  quote: {} as StreamRow["quote"],
  unsignedBudgetBytes: 0n,
  unsignedPaidBytes: 0n,
  playback: { type: "public" },
  pull: null,
  pullCode: null,
  targets: [],
  targetCodes: {},
  region: null,
  ingestNodes: [],
  state: "live",
  source: null,
  renditions: null,
  partTargetMs: null,
  nextSequence: 0,
  nextFrame: 0n,
  nextEpoch: 0,
  createdAtMs: 1,
  endedAtMs: null,
  endCode: null,
};

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
    await book.insert(row, `0x${"44".repeat(32)}`);
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
});
