import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LevelCheckpointStore } from "../../../node/store/checkpoints.ts";
import { Database } from "../../../node/store/database.ts";
import { fromText, toText } from "../../../node/store/json.ts";
import { LevelReceiptStore } from "../../../node/store/receipts.ts";

describe("receipts and checkpoints in level", () => {
  let location: string;
  let database: Database;
  beforeEach(async () => {
    location = await mkdtemp(join(tmpdir(), "leat-receipts-"));
    database = await Database.open(location);
  });
  afterEach(async () => {
    await database.close();
    await rm(location, { recursive: true, force: true });
  });
  const reopen = async () => {
    await database.close();
    database = await Database.open(location);
  };
  const item = (seq: bigint) => ({ seq, leaves: [{ pixels: 2n ** 63n, part: 1 }], none: null });

  it("keeps what was not acknowledged, word for word and in order", async () => {
    const store = new LevelReceiptStore(database);
    await store.put("receipt/j/2", item(2n));
    await store.put("receipt/j/1", item(1n));
    await store.put("receipt/j/3", item(3n));
    await store.delete("receipt/j/1");
    await reopen();
    assert.deepEqual(await new LevelReceiptStore(database).list(), [
      { key: "receipt/j/2", item: item(2n) },
      { key: "receipt/j/3", item: item(3n) },
    ]);
  });

  it("never takes a second, different receipt for the same work, acknowledged or not", async () => {
    const store = new LevelReceiptStore(database);
    await store.put("receipt/j/1", item(1n));
    await store.put("receipt/j/1", item(1n));
    await assert.rejects(store.put("receipt/j/1", item(2n)), { code: "STORE_RECEIPT_DIFFERENT" });
    await store.delete("receipt/j/1");
    await reopen();
    const again = new LevelReceiptStore(database);
    await assert.rejects(again.put("receipt/j/1", item(2n)), { code: "STORE_RECEIPT_DIFFERENT" });
    // The same one was acknowledged: it is not sent again.
    await again.put("receipt/j/1", item(1n));
    assert.deepEqual(await again.list(), []);
  });

  it("forgets fingerprints of acknowledged work alone", async () => {
    const store = new LevelReceiptStore(database);
    await store.put("receipt/j/1", item(1n));
    await store.put("receipt/j/2", item(2n));
    await store.delete("receipt/j/1");
    await store.forget("receipt/j/");
    assert.deepEqual([await store.has("receipt/j/1"), await store.has("receipt/j/2")], [false, true]);
  });

  it("keeps small facts over a restart, several of them as one", async () => {
    const store = new LevelCheckpointStore(database);
    await store.put("job", "a", { seq: 3n, list: [1] });
    await store.put("job", "b", 2);
    await store.change([
      { kind: "job", id: "b", value: undefined },
      { kind: "block", id: "newest", value: { blockNumber: 2n ** 60n } },
    ]);
    await reopen();
    const again = new LevelCheckpointStore(database);
    assert.deepEqual(await again.get("block", "newest"), { blockNumber: 2n ** 60n });
    assert.equal(await again.get("block", "other"), undefined);
    assert.deepEqual(await again.list("job"), [["a", { seq: 3n, list: [1] }]]);
    assert.deepEqual(await again.get("job", "a"), { seq: 3n, list: [1] });
  });

  it("writes bigint apart from number and text, and maps and sets apart from objects and lists", () => {
    const nodes = new Map([["0x1", { seats: new Set([1n, 2n]) }]]);
    const value = { a: 1n, b: 1, c: "1", d: [2n ** 200n, { e: -5n }], f: null, g: true, h: nodes };
    assert.deepEqual(fromText(toText(value)), value);
  });
});
