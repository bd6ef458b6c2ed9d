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
});
