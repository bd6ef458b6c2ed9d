import assert from "node:assert/strict";
import { PGlite } from "@electric-sql/pglite";
import { PreparedStatements } from "../../../../node/store/sql/prepared-statements.ts";

describe("prepared statements", () => {
  let database: PGlite;
  let statements: PreparedStatements;
  before(async function () {
    this.timeout(60_000);
    database = await PGlite.create();
    await database.exec(
      "create table facts (id integer primary key, word text, big numeric(78,0), flag boolean, list text[])",
    );
  });
  beforeEach(async () => {
    await database.exec("deallocate all; delete from facts");
    statements = new PreparedStatements(database);
  });
  after(() => database.close());

  const insert = "insert into facts (id, word, big, flag, list) values ($1, $2, $3, $4, $5)";
  const select = "select id, word, big, flag, list from facts where id = $1";
  const names = async () =>
    (await database.query<{ statement: string }>("select statement from pg_prepared_statements")).rows;

  it("answer the third time what they answered the first, row by row, whatever its type", async () => {
    const rows = [
      [1, 'it\'s "text" \u00e4', "123456789012345678901234567890", true, ["a", "b,c"]],
      [2, null, null, false, null],
      [3, "", "-1", null, []],
    ];
    for (const row of rows) assert.deepEqual(await statements.query(insert, row, "array"), []);
    for (let times = 0; times < 3; times += 1) {
      for (const row of rows) {
        const [asObject] = await statements.query(select, [row[0]], "object");
        const plain = (await database.query(select, [row[0]])).rows[0];
        assert.deepEqual(asObject, plain);
        assert.deepEqual(await statements.query(select, [row[0]], "array"), [Object.values(plain as object)]);
      }
      assert.deepEqual(await statements.query(select, [9], "array"), []);
    }
    const { rows: counted } = await database.query<{ count: number }>("select count(*)::integer as count from facts");
    assert.equal(counted[0]!.count, 3);
  });

  it("are prepared when they are asked for the second time, and nothing else is", async () => {
    await statements.query(select, [1], "array");
    assert.deepEqual(await names(), []);
    for (let times = 0; times < 3; times += 1) {
      await statements.query(select, [1], "array");
      await statements.query("vacuum facts", [], "object");
      await statements.query("begin", [], "object");
      await statements.query("rollback", [], "object");
    }
    assert.deepEqual(await names(), [{ statement: select }]);
  });

  it("are left as they come where they are long, and forgotten while others are asked for once", async () => {
    const long = `select 1 -- ${"x".repeat(8_192)}`;
    for (let times = 0; times < 3; times += 1) assert.deepEqual(await statements.query(long, [], "array"), [[1]]);
    await statements.query(select, [1], "array");
    for (let at = 0; at < 256; at += 1) await statements.query(`select ${at} as other`, [], "array");
    await statements.query(select, [1], "array");
    assert.deepEqual(await names(), []);
    await statements.query(select, [1], "array");
    assert.deepEqual(await names(), [{ statement: select }]);
  });

  it("fail with PostgreSQL's own code, and go on", async () => {
    const row = [1, "one", "1", true, []];
    await statements.query(insert, row, "array");
    for (let times = 0; times < 3; times += 1) {
      await assert.rejects(statements.query(insert, row, "array"), { code: "23505" });
      await assert.rejects(statements.query("select nothing from nowhere", [], "array"), { code: "42P01" });
      await assert.rejects(statements.query(select, ["no number"], "array"), { code: "22P02" });
      assert.equal((await statements.query(select, [1], "array")).length, 1);
    }
  });

  it("survive a transaction that is undone, and fail within one that failed", async () => {
    const row = (id: number) => [id, "one", "1", true, []];
    await statements.query(insert, row(1), "array");
    await database.exec("begin");
    await statements.query(insert, row(2), "array");
    await assert.rejects(statements.query(insert, row(2), "array"), { code: "23505" });
    await assert.rejects(statements.query(insert, row(3), "array"), { code: "25P02" });
    await database.exec("rollback");
    await statements.query(insert, row(4), "array");
    const { rows } = await database.query<{ id: number }>("select id from facts order by id");
    assert.deepEqual(
      rows.map(({ id }) => id),
      [1, 4],
    );
  });

  it("are forgotten where others are asked for, the oldest first", async function () {
    this.timeout(30_000);
    const other = (at: number) => `select ${at} as other`;
    for (let times = 0; times < 2; times += 1) {
      for (let at = 0; at < 200; at += 1) await statements.query(other(at), [], "array");
    }
    for (let times = 0; times < 2; times += 1) {
      for (let at = 1_000; at < 1_100; at += 1) await statements.query(other(at), [], "array");
    }
    const left = new Set((await names()).map(({ statement }) => statement));
    assert.equal(left.size, 256);
    assert.ok(!left.has(other(43)) && left.has(other(44)) && left.has(other(1_099)));
    for (let at = 0; at < 200; at += 1) assert.deepEqual(await statements.query(other(at), [], "array"), [[at]]);
  });

  it("are planned anew when so many were asked, for tables as they are then", async function () {
    this.timeout(60_000);
    const byWord = "select id from facts where word = $1 limit 1";
    await database.exec("create index facts_word on facts (word)");
    const plan = async () => {
      const [{ name }] = (
        await database.query<{ name: string }>("select name from pg_prepared_statements where statement = $1", [byWord])
      ).rows as [{ name: string }];
      const { rows } = await database.query<{ "QUERY PLAN": string }>(`explain execute ${name} ('w7')`);
      return rows.map((row) => row["QUERY PLAN"]).join(" ");
    };
    for (let times = 0; times < 20; times += 1) await statements.query(byWord, ["w7"], "array");
    await database.exec("insert into facts select n, 'w' || n from generate_series(1, 20000) n");
    for (let times = 0; times < 1_000; times += 1) await statements.query(byWord, ["w7"], "array");
    assert.match(await plan(), /Index/);
  });
});
