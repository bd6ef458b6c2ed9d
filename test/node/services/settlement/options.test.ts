import assert from "node:assert/strict";
import { Value } from "typebox/value";
import { settlementOptions } from "../../../../node/services/settlement/options.ts";

describe("settlement options", () => {
  it("let no voucher wait for its age beyond a day: an ended key's is worth something for one thaw alone", () => {
    const day = 86_400_000;
    const isTaken = (maxAgeMs: number) =>
      Value.Check(settlementOptions, { ...(Value.Default(settlementOptions, {}) as object), maxAgeMs });
    assert.deepEqual([day, day + 1].map(isTaken), [true, false]);
  });
});
