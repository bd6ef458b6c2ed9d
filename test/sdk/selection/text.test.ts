import assert from "node:assert/strict";
import fc from "fast-check";
import { fromText, toText } from "../../../sdk/selection/text.ts";

describe("text", () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(fc.bigInt(), fc.maxSafeInteger(), fc.string(), fc.boolean(), tie("list"), tie("record")),
    list: fc.array(tie("any"), { maxLength: 4 }),
    record: fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), tie("any"), { maxKeys: 4, noNullPrototype: true }),
  })).any;

  it("reads back what it wrote", () => {
    fc.assert(fc.property(value, (any) => assert.deepEqual(fromText(toText(any)), normalise(any))));
  });

  it("does not depend on the order of keys and leaves out what is absent", () => {
    assert.equal(toText({ b: 1, a: 2n, c: undefined }), '{"a":{"$n":"2"},"b":1}');
  });

  it("refuses fractions", () => {
    assert.throws(() => toText({ a: 0.5 }), TypeError);
  });

  // Minus zero has no text of its own.
  function normalise(any: unknown): unknown {
    if (Array.isArray(any)) return any.map(normalise);
    if (typeof any === "object" && any !== null) {
      return Object.fromEntries(Object.entries(any).map(([key, item]) => [key, normalise(item)]));
    }
    return any === 0 ? 0 : any;
  }
});
