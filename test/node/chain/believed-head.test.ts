import assert from "node:assert/strict";
import { believedHead } from "../../../node/chain/believed-head.ts";

describe("head of the chain by several endpoints", () => {
  const believe = (...heads: readonly (bigint | "still")[]) =>
    believedHead(
      heads.flatMap((head, at) => (head === "still" ? [] : [{ head, isRising: heads[at + 1] !== "still" }])),
      5n,
    );

  it("is the newest that a second one bears out", () => {
    assert.equal(believe(100n, 98n), 100n);
    assert.equal(believe(90n, 100n, 105n), 105n);
    assert.equal(believe(100n, 98n, 10n ** 9n), 100n);
    assert.equal(believe(10n ** 9n, 98n, 100n), 100n);
    assert.equal(believe(5n, 98n, 100n), 100n);
  });

  it("is the first one's where no two agree, unless it stands still while another rises", () => {
    assert.equal(believe(100n, 10n ** 9n), 100n);
    assert.equal(believe(100n, 110n), 100n);
    assert.equal(believe(100n, "still", 110n), 110n);
    assert.equal(believe(100n, "still", 110n, "still"), 100n);
    assert.equal(believe(7n), 7n);
    assert.equal(believe(), undefined);
  });
});
