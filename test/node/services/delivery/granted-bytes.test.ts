import assert from "node:assert/strict";
import { GrantedBytes } from "../../../../node/services/delivery/granted-bytes.ts";

describe("delivery/granted-bytes", () => {
  it("pays what is served up to all that was granted, also when that is raised or lowered meanwhile", () => {
    const granted = new GrantedBytes(100n);
    assert.deepEqual([granted.take(70n), granted.take(50n), granted.take(1n)], [70n, 30n, 0n]);
    granted.set(140n);
    assert.equal(granted.take(30n), 30n);
    // Less than it has used: nothing is left, and nothing is taken back.
    granted.set(80n);
    assert.equal(granted.take(5n), 0n);
    assert.deepEqual([granted.isNone, new GrantedBytes(0n).isNone], [false, true]);
  });
});
