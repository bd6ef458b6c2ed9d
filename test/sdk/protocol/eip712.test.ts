import assert from "node:assert/strict";
import fc from "fast-check";
import { hashTypedData } from "viem";
import {
  createDomain,
  type FieldType,
  hashStatement,
  parseValue,
  StatementError,
  type Structure,
  valueFromJson,
  valueToJson,
} from "../../../sdk/protocol/eip712.ts";
import { bytesToHex } from "../../../sdk/protocol/hex.ts";
import * as signed from "../../../sdk/protocol/signed.ts";

type Row = Record<string, string | number | bigint>;
const structures = Object.values(signed).filter((item) => "typeHash" in item) as unknown as Structure<Row>[];

const hexOf = (size: number) => fc.uint8Array({ minLength: size, maxLength: size }).map(bytesToHex);
const arbitraries: Record<FieldType, fc.Arbitrary<string | number | bigint>> = {
  address: hexOf(20),
  bytes32: hexOf(32),
  uint8: fc.integer({ min: 0, max: 255 }),
  uint32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  uint64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  uint128: fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }),
  uint256: fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
};
const rowOf = (structure: Structure<Row>): fc.Arbitrary<Row> =>
  fc.record(Object.fromEntries(structure.fields.map(([name, type]) => [name, arbitraries[type]])), {
    noNullPrototype: true,
  });

const isFieldError = (error: unknown) => error instanceof StatementError && error.code.startsWith("STATEMENT_FIELD_");

describe("eip712", () => {
  for (const structure of structures) {
    it(`hashes ${structure.name} as viem does`, () => {
      fc.assert(
        fc.property(rowOf(structure), hexOf(20), fc.integer({ min: 1, max: 2 ** 40 }), (value, escrow, chainId) => {
          const wanted = hashTypedData({
            domain: { name: "Leat", version: "1", chainId, verifyingContract: escrow },
            types: { [structure.name]: structure.fields.map(([name, type]) => ({ name, type })) },
            primaryType: structure.name,
            message: value,
          });
          assert.equal(hashStatement(structure, createDomain(chainId, escrow), value), wanted);
          assert.equal(hashStatement(structure, { chainId, verifyingContract: escrow }, value), wanted);
        }),
        { numRuns: 30 },
      );
    });

    it(`reads ${structure.name} back from JSON`, () => {
      fc.assert(
        fc.property(rowOf(structure), (value) => {
          const text = JSON.stringify(valueToJson(structure, value));
          assert.deepEqual(valueFromJson(structure, JSON.parse(text)), value);
        }),
        { numRuns: 20 },
      );
    });
  }

  const domain = createDomain(1, `0x${"11".repeat(20)}`);
  const structure = signed.seedCommitStructure;
  const value: signed.SeedCommit = { cluster: 1n, epoch: 2n, anchor: `0x${"22".repeat(32)}`, length: 3 };

  const wrong: [string, object][] = [
    ["a negative number", { length: -1 }],
    ["a number of too many bits", { length: 2 ** 32 }],
    ["a fraction", { length: 1.5 }],
    ["a bigint of too many bits", { epoch: 2n ** 64n }],
    ["a negative bigint", { cluster: -1n }],
    ["a short hash", { anchor: "0x22" }],
    ["a hash that is not hex", { anchor: `0x${"zz".repeat(32)}` }],
    ["a missing field", { anchor: undefined }],
  ];
  for (const [name, change] of wrong) {
    it(`refuses ${name}`, () => {
      assert.throws(() => hashStatement(structure, domain, { ...value, ...change }), isFieldError);
      assert.throws(() => parseValue(structure, { ...value, ...change }), isFieldError);
    });
  }

  it("refuses a number where 64 bits are due, since it could have lost digits", () => {
    assert.throws(() => hashStatement(structure, domain, { ...value, epoch: 2 as unknown as bigint }), isFieldError);
  });

  it("parses safe numbers and mixed case into the field's own form", () => {
    const parsed = parseValue(structure, { cluster: 1, epoch: 2, anchor: `0x${"AB".repeat(32)}`, length: 3n });
    assert.deepEqual(parsed, { cluster: 1n, epoch: 2n, anchor: `0x${"ab".repeat(32)}`, length: 3 });
  });

  it("refuses a field that the structure does not have, and what is no object", () => {
    assert.throws(() => parseValue(structure, { ...value, extra: 1 }), isFieldError);
    for (const input of [null, undefined, 1, "x"]) {
      assert.throws(() => parseValue(structure, input), isFieldError);
      assert.throws(() => valueFromJson(structure, input), isFieldError);
    }
  });

  it("refuses a domain that is malformed", () => {
    assert.throws(
      () => hashStatement(structure, { chainId: 1.5, verifyingContract: `0x${"11".repeat(20)}` }, value),
      isFieldError,
    );
    assert.throws(() => hashStatement(structure, { chainId: 1, verifyingContract: "0x11" }, value), isFieldError);
  });

  it("does not cache the separator of a domain that can change", () => {
    const open = { chainId: 1, verifyingContract: domain.verifyingContract };
    const before = hashStatement(structure, open, value);
    open.chainId = 2;
    assert.notEqual(hashStatement(structure, open, value), before);
  });
});
