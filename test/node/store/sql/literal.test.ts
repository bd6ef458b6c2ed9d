import assert from "node:assert/strict";
import { PgDialect } from "drizzle-orm/pg-core";
import { isOneOf, literal } from "../../../../node/store/sql/literal.ts";
import { ledgerEntries } from "../../../../node/store/sql/schema.ts";

describe("literals of a statement", () => {
  const textOf = (of: Parameters<PgDialect["sqlToQuery"]>[0]) => new PgDialect().sqlToQuery(of);

  it("stand in it, and are no parameters", () => {
    assert.deepEqual(
      [true, 2, "waiting"].map((value) => textOf(literal(value)).sql),
      ["true", "2", "'waiting'"],
    );
    const { sql, params } = textOf(isOneOf(ledgerEntries.state, ["waiting", "payable"]));
    assert.equal(sql, `"ledger_entries"."state" in ('waiting', 'payable')`);
    assert.deepEqual(params, []);
  });

  it("are our own words alone", () => {
    for (const value of ["it's", "", "a b", "';", 0.5, Number.NaN]) assert.throws(() => literal(value), TypeError);
  });
});
