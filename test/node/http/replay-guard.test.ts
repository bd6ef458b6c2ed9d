import assert from "node:assert/strict";
import { ReplayGuard } from "@leat/node/http/replay-guard.ts";
import fc from "fast-check";

describe("http/replay-guard", () => {
  it("takes no more than its bounds and makes room as time passes", () => {
    const guard = new ReplayGuard({ total: 3, perAccount: 2 });
    assert.equal(guard.add("1", "a", 0, 10), true);
    assert.equal(guard.add("2", "a", 0, 20), true);
    assert.equal(guard.add("3", "a", 0, 20), false);
    assert.equal(guard.add("3", "b", 0, 20), true);
    assert.equal(guard.add("4", "c", 10, 20), false);
    assert.equal(guard.add("4", "c", 11, 20), true);
    assert.equal(guard.has("1"), false);
  });

  it("knows exactly what it took and what is not over", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(10), fc.constantFrom("a", "b")), { maxLength: 100 }), (steps) => {
        const guard = new ReplayGuard({ total: 1_000, perAccount: 1_000 });
        const model = new Map<string, number>();
        let now = 0;
        for (const [pass, life, account] of steps) {
          now += pass;
          const nonce = String(model.size);
          assert.equal(guard.add(nonce, account, now, now + life), true);
          model.set(nonce, now + life);
          for (const [known, until] of model) if (until >= now) assert.ok(guard.has(known));
          assert.equal(guard.size, [...model.values()].filter((until) => until >= now).length);
        }
      }),
    );
  });
});
