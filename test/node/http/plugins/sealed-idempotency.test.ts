import assert from "node:assert/strict";
import type { IdempotencyStore, StoredAnswer } from "../../../../node/http/plugins/idempotency.ts";
import { MemoryIdempotencyStore } from "../../../../node/http/plugins/idempotency.ts";
import { SealedIdempotencyStore } from "../../../../node/http/plugins/sealed-idempotency.ts";

const answer: StoredAnswer = { status: 201, contentType: "application/json", body: '{"streamKey":"shown once"}' };
const secret = new Uint8Array(32).fill(1);

describe("sealed answers", () => {
  let written: StoredAnswer[];
  let inner: IdempotencyStore;

  beforeEach(() => {
    written = [];
    const memory = new MemoryIdempotencyStore();
    inner = {
      begin: (key, fingerprint) => memory.begin(key, fingerprint),
      release: (key) => memory.release(key),
      finish: (key, stored) => {
        written.push(stored);
        return memory.finish(key, stored);
      },
    };
  });

  it("come back as they were, and are stored so that nobody else can read them", async () => {
    const store = new SealedIdempotencyStore(inner, secret);
    assert.deepEqual(await store.begin("a", "f"), { state: "new" });
    await store.finish("a", answer);
    assert.deepEqual(await store.begin("a", "f"), { state: "done", fingerprint: "f", answer });
    assert.equal(written.length, 1);
    assert.doesNotMatch(Buffer.from(written[0]!.body, "base64url").toString("latin1") + written[0]!.body, /shown once/);
  });

  it("of another key, or of another call, count as none", async () => {
    const store = new SealedIdempotencyStore(inner, secret);
    await store.begin("a", "f");
    await store.finish("a", answer);
    const other = new SealedIdempotencyStore(inner, new Uint8Array(32).fill(2));
    assert.deepEqual(await other.begin("a", "f"), { state: "new" });
    await store.begin("b", "f");
    await inner.finish("b", written[0]!);
    assert.deepEqual(await store.begin("b", "f"), { state: "new" });
  });
});
