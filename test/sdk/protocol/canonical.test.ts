import assert from "node:assert/strict";
import fc from "fast-check";
import { CanonicalError, canonicalText, hashCanonical } from "../../../sdk/protocol/canonical.ts";

describe("canonical text", () => {
  it("does not depend on the order of fields, nor on absent ones", () => {
    assert.equal(canonicalText({ b: 2n, a: [1, true, null], c: undefined }), '{"a":[1,true,null],"b":"2"}');
    assert.equal(canonicalText({ a: [1, true, null], b: 2n }), '{"a":[1,true,null],"b":"2"}');
  });

  it("is JSON that reads back as the value, for any JSON value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.deepEqual(JSON.parse(canonicalText(value)), JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("hashes apart what carries another label", () => {
    assert.equal(hashCanonical("leat.test", { a: 1 }), hashCanonical("leat.test", { a: 1 }));
    assert.notEqual(hashCanonical("leat.test", { a: 1 }), hashCanonical("leat.other", { a: 1 }));
    assert.notEqual(hashCanonical("leat.test", { a: 1 }), hashCanonical("leat.test", { a: 2 }));
  });

  it("refuses what has no one text", () => {
    for (const value of [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      () => 1,
      new Map(),
      new Uint8Array(1),
      { a: [undefined] },
    ]) {
      assert.throws(() => canonicalText(value), CanonicalError);
    }
  });
});
