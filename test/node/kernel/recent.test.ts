import assert from "node:assert/strict";
import { Recent } from "../../../node/kernel/recent.ts";

describe("recent entries", () => {
  it("are kept up to a number, those that were set last", () => {
    const recent = new Recent<string, number>(2);
    recent.set("a", 1);
    recent.set("b", 2);
    recent.set("a", 3);
    recent.set("c", 4);
    assert.deepEqual(
      ["a", "b", "c"].map((key) => recent.get(key)),
      [3, undefined, 4],
    );
  });

  it("are there for a time, and leave nothing behind", () => {
    let nowMs = 0;
    const recent = new Recent<string, number>(10, { ageMs: 100, nowMs: () => nowMs });
    recent.set("a", 1);
    nowMs = 60;
    recent.set("b", 2);
    nowMs = 100;
    assert.deepEqual([recent.get("a"), recent.get("b")], [1, 2]);
    nowMs = 101;
    assert.deepEqual([recent.get("a"), recent.get("b")], [undefined, 2]);
    recent.set("c", 3);
    nowMs = 100;
    assert.deepEqual([recent.get("a"), recent.get("b"), recent.get("c")], [undefined, 2, 3]);
  });
});
