import assert from "node:assert/strict";
import fc from "fast-check";
import { afterWork, noReputation, scorePpm } from "../../../node/market/reputation.ts";

const scoreAfter = (work: readonly boolean[]) => work.reduce(afterWork, noReputation);

describe("reputation", () => {
  it("begins at 90 % and falls to 30 % with the first bad piece", () => {
    assert.equal(scorePpm(noReputation), 900_000);
    assert.equal(scorePpm(scoreAfter([false])), 300_000);
  });

  it("rises with every good piece and falls with every bad one", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 200 }), (work) => {
        const before = scorePpm(scoreAfter(work));
        assert.ok(scorePpm(scoreAfter([...work, true])) >= before);
        assert.ok(scorePpm(scoreAfter([...work, false])) < before);
        assert.ok(before > 0 && before < 1_000_000);
      }),
    );
  });

  it("forgets: long good work outweighs an old failure", () => {
    const long = Array.from({ length: 5_000 }, () => true);
    assert.ok(scorePpm(scoreAfter([false, ...long])) > 998_000);
    assert.ok(scorePpm(scoreAfter([...long, false])) < 980_000);
  });
});
