import assert from "node:assert/strict";
import { Compile } from "typebox/compile";
import { hashStatement, parseValue, valueFromJson } from "../../../sdk/protocol/eip712.ts";
import { zeroHash } from "../../../sdk/protocol/hex.ts";
import { structureSchema } from "../../../sdk/protocol/schemas.ts";
import { type Voucher, voucherStructure } from "../../../sdk/protocol/signed.ts";

const address = (byte: string) => `0x${byte.repeat(20)}` as const;
const domain = { chainId: 31_337, verifyingContract: address("e5") };
const good = {
  payer: address("11"),
  payee: address("22"),
  token: address("33"),
  cluster: 0n,
  clusterPpm: 0,
  cumulative: 10n,
  seq: 1n,
  usageRoot: zeroHash,
};

/** A field, what it is given, and the code that says so. */
const cases: readonly (readonly [field: keyof Voucher, value: unknown, code: string])[] = [
  ["cumulative", 1n << 128n, "STATEMENT_FIELD_RANGE"],
  ["cumulative", -1n, "STATEMENT_FIELD_RANGE"],
  ["cumulative", 1.5, "STATEMENT_FIELD_INVALID"],
  ["cumulative", Number.NaN, "STATEMENT_FIELD_INVALID"],
  ["cumulative", 2 ** 60, "STATEMENT_FIELD_INVALID"],
  ["cumulative", "9".repeat(79), "STATEMENT_FIELD_INVALID"],
  ["cumulative", "-1", "STATEMENT_FIELD_INVALID"],
  ["cumulative", "0x10", "STATEMENT_FIELD_INVALID"],
  ["cumulative", null, "STATEMENT_FIELD_INVALID"],
  ["cumulative", undefined, "STATEMENT_FIELD_MISSING"],
  ["seq", 1n << 64n, "STATEMENT_FIELD_RANGE"],
  ["cluster", 1n << 256n, "STATEMENT_FIELD_RANGE"],
  ["clusterPpm", 2 ** 32, "STATEMENT_FIELD_RANGE"],
  ["clusterPpm", -1, "STATEMENT_FIELD_RANGE"],
  ["clusterPpm", 0.5, "STATEMENT_FIELD_INVALID"],
  ["payer", "0x11", "STATEMENT_FIELD_INVALID"],
  ["payer", `0x${"zz".repeat(20)}`, "STATEMENT_FIELD_INVALID"],
  ["payer", `${address("11")}00`, "STATEMENT_FIELD_INVALID"],
  ["usageRoot", address("11"), "STATEMENT_FIELD_INVALID"],
];

describe("values that a voucher cannot have", () => {
  const schema = Compile(structureSchema(voucherStructure));

  for (const [field, value, code] of cases) {
    it(`are refused with ${code}: ${field} ${typeof value === "bigint" ? `${value.toString().slice(0, 12)}n` : String(value).slice(0, 24)}`, () => {
      const bad = { ...good, [field]: value } as unknown as Voucher;
      const facts = (error: unknown) => {
        const { detail } = error as { detail: { code: string; field: string } };
        assert.deepEqual([detail.code, detail.field], [code, field]);
        return true;
      };
      assert.throws(() => parseValue(voucherStructure, bad), facts);
      if (typeof value !== "string" || !/^[0-9]{1,78}$/.test(value)) {
        assert.throws(() => valueFromJson(voucherStructure, bad), facts);
      }
      // Nor are they hashed, cut to fit, or taken from the wire.
      assert.throws(() => hashStatement(voucherStructure, domain, bad));
      assert.equal(schema.Check(bad), false);
    });
  }

  it("are refused where the structure has no such field", () => {
    const more = { ...good, tip: 1n };
    assert.throws(() => parseValue(voucherStructure, more), { code: "STATEMENT_FIELD_UNKNOWN" });
    assert.equal(schema.Check(more), false);
    assert.equal(schema.Check(good), true);
  });

  it("are read from JSON only where they fit", () => {
    const json = (cumulative: bigint) => ({ ...good, cumulative: cumulative.toString(), cluster: "0", seq: "1" });
    assert.equal(valueFromJson(voucherStructure, json((1n << 128n) - 1n)).cumulative, (1n << 128n) - 1n);
    assert.throws(() => valueFromJson(voucherStructure, json(1n << 128n)), { code: "STATEMENT_FIELD_RANGE" });
    assert.throws(() => valueFromJson(voucherStructure, json(1n << 257n)), { code: "STATEMENT_FIELD_RANGE" });
  });
});
