import assert from "node:assert/strict";
import fc from "fast-check";
import { fromText, toText } from "../../../sdk/selection/text.ts";

describe("text", () => {
  const value = fc.letrec((tie) => ({
    item: fc.oneof(fc.bigInt(), fc.maxSafeInteger(), fc.string(), fc.boolean(), tie("list"), tie("record")),
    list: fc.array(tie("item"), { maxLength: 4 }),
    record: fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), tie("item"), { maxKeys: 4, noNullPrototype: true }),
  })).item;

  it("reads back what it wrote", () => {
    fc.assert(fc.property(value, (found) => assert.deepEqual(fromText(toText(found)), normalise(found))));
  });

  it("does not depend on the order of keys and leaves out what is absent", () => {
    assert.equal(toText({ b: 1, a: 2n, c: undefined }), '{"a":{"$n":"2"},"b":1}');
  });

  it("refuses fractions", () => {
    assert.throws(() => toText({ a: 0.5 }), TypeError);
  });

  // Minus zero has no text of its own.
  function normalise(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(normalise);
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, normalise(item)]));
    }
    return value === 0 ? 0 : value;
  }
});
