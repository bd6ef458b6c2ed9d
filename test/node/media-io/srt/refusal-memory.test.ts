import assert from "node:assert/strict";
import { RefusalMemory } from "@leat/node/media-io/srt/refusal-memory.ts";

describe("srt refusal memory", () => {
  it("tells the same address and name for five seconds, and for two what passes by itself", () => {
    const memory = new RefusalMemory();
    memory.keep("10.0.0.1", "a", "STREAM_KEY_UNKNOWN", 0);
    memory.keep("10.0.0.1", "b", "PUBLISH_LEASE_HELD", 0);
    const at = (name: string, nowMs: number, address = "10.0.0.1") => memory.find(address, name, nowMs, true);
    assert.deepEqual([at("a", 4_999), at("b", 1_999)], ["STREAM_KEY_UNKNOWN", "PUBLISH_LEASE_HELD"]);
    assert.deepEqual([at("a", 0, "10.0.0.2"), at("c", 0)], [undefined, undefined]);
    assert.deepEqual([at("a", 5_000), at("b", 2_000)], [undefined, undefined]);
  });

  it("tells an address whatever it would publish, and lets it watch", () => {
    const memory = new RefusalMemory();
    memory.keep("10.0.0.1", undefined, "INGEST_KEYS_LIMITED", 0);
    assert.equal(memory.find("10.0.0.1", "anything", 1, true), "INGEST_KEYS_LIMITED");
    assert.equal(memory.find("10.0.0.1", "anything", 1, false), undefined);
  });

  it("forgets the oldest of more than a thousand", () => {
    const memory = new RefusalMemory();
    for (let index = 0; index <= 1_000; index += 1) memory.keep("10.0.0.1", `${index}`, "STREAM_KEY_UNKNOWN", 0);
    assert.deepEqual(
      ["0", "1", "1000"].map((name) => memory.find("10.0.0.1", name, 1, true)),
      [undefined, "STREAM_KEY_UNKNOWN", "STREAM_KEY_UNKNOWN"],
    );
  });
});
