import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { Database } from "../../../node/store/database.ts";
import { openError } from "../../../node/store/errors.ts";
import { LevelReceiptStore } from "../../../node/store/receipts.ts";
import { LevelVoucherStore } from "../../../node/store/vouchers.ts";
import type { Hex } from "../../../sdk/protocol/hex.ts";

const writer = fileURLToPath(new URL("../../support/voucher-writer.ts", import.meta.url));

describe("database", () => {
  let location: string;
  let database: Database | undefined;
  const children = new Set<ChildProcess>();
  const reopen = async () => {
    await database?.close();
    database = await Database.open(location);
    return database;
  };
  beforeEach(async () => {
    location = await mkdtemp(join(tmpdir(), "leat-store-"));
  });
  afterEach(async () => {
    for (const child of children) child.kill("SIGKILL");
    children.clear();
    await database?.close();
    database = undefined;
    await rm(location, { recursive: true, force: true });
  });

  it("tells a full disk from a folder that this user may not write to", () => {
    const said = (words: string) => {
      const cause = Object.assign(new Error(`IO error: /data/1.log: ${words}`), { code: "LEVEL_IO_ERROR" });
      return openError("/data", new Error("not open", { cause })).detail;
    };
    assert.deepEqual(said("No space left on device"), { code: "STORE_UNUSABLE", location: "/data", reason: "ENOSPC" });
    const denied = said("Permission denied");
    assert.ok(denied.code === "STORE_UNUSABLE" && denied.reason.endsWith("Permission denied"));
  });

  it("shows a change only as a whole, and nothing of one that throws", async () => {
    const db = await reopen();
    await assert.rejects(
      db.change(async (changes) => {
        changes.put("a", "1");
        throw new Error("no");
      }),
    );
    assert.equal(await db.get("a"), undefined);
    await db.change(async (changes) => {
      changes.put("a", "1");
      changes.put("b", "2");
      assert.equal(await changes.get("a"), "1");
    });
    assert.deepEqual(await (await reopen()).list(""), [
      ["a", "1"],
      ["b", "2"],
    ]);
  });

  it("lets changes that come together share an fsync, each seeing those before it", async () => {
    const db = await reopen();
    const count = async () =>
      db.change(async (changes) => {
        const next = Number((await changes.get("n")) ?? "0") + 1;
        changes.put("n", String(next));
        return next;
      });
    const results = await Promise.all(Array.from({ length: 200 }, count));
    assert.deepEqual(
      results,
      Array.from({ length: 200 }, (_, at) => at + 1),
    );
    assert.equal(await db.get("n"), "200");
    assert.ok(db.commits < 100, `${db.commits} fsyncs for 200 changes`);
  });

  it("takes a patient change along with one that is not", async () => {
    const db = await reopen();
    const before = db.commits;
    const order: string[] = [];
    const put = (name: string, patient: boolean) =>
      db.change(async (changes) => changes.put(name, "1"), { patient }).then(() => order.push(name));
    await Promise.all([put("a", true), put("b", false), put("c", true)]);
    assert.deepEqual([db.commits - before, order], [1, ["a", "b", "c"]]);
  });

  it("writes what was asked for before it closes", async () => {
    const db = await reopen();
    const names = Array.from({ length: 50 }, (_, at) => `n/${at}`);
    const asked = names.map((name, at) => db.change(async (changes) => changes.put(name, "1"), { patient: at > 25 }));
    await db.close();
    await Promise.all(asked);
    assert.equal((await (await reopen()).list("n/")).length, names.length);
  });

  it("answers everybody, however soon after an answer the next change is asked for", async () => {
    const db = await reopen();
    // A full row is taken at once: between its end and the next look there are some turns of the loop.
    const callers = Array.from({ length: 256 }, (_, at) => `c/${at}`);
    for (const microtasks of [0, 1, 2, 3, 4, 5]) {
      const asking = callers.map(async (name) => {
        for (let round = 0; round < 3; round += 1) {
          await db.change((changes) => changes.put(name, String(round)));
          for (let waited = 0; waited < microtasks; waited += 1) await null;
        }
      });
      await Promise.all(asking);
    }
    await db.change((changes) => changes.put("last", "1"));
    const [next, closed] = [db.change((changes) => changes.put("last", "2")), db.close()];
    await Promise.all([next, closed]);
    assert.equal(await (await reopen()).get("last"), "2");
  });

  it("agrees with a plain map, what is pending included", async () => {
    const key = fc.constantFrom("A/1", "A/2", "a/1", "a/2", "a/3", "b/1", "ab/1");
    const step = fc.record({ key, value: fc.option(fc.string(), { nil: undefined }) });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        run += 1;
        const db = database ?? (await reopen());
        const model = new Map<string, string>();
        const make = ({ key: name, value }: (typeof steps)[number]) =>
          db.change(async (changes) => {
            const full = `${run}/${name}`;
            if (value === undefined) changes.delete(full);
            else changes.put(full, value);
            if (value === undefined) model.delete(full);
            else model.set(full, value);
            const expected = [...model].filter(([one]) => one.startsWith(`${run}/a/`)).sort();
            assert.deepEqual(await changes.list(`${run}/a/`), expected);
            assert.equal(await changes.lastKey(`${run}/a/`), expected.at(-1)?.[0]);
            const onward = expected.find(([one]) => one >= full);
            assert.deepEqual(await changes.firstFrom(full, `${run}/a/`), onward);
          });
        // What is on disk, and what is pending above it.
        for (const part of [steps.slice(0, steps.length >> 1), steps.slice(steps.length >> 1)]) {
          await Promise.all(part.map(make));
        }
        assert.deepEqual(await db.list(`${run}/`), [...model].sort());
      }),
      { numRuns: 30 },
    );
  });

  it("refuses a second opener, and any use after closing, by code", async () => {
    const db = await reopen();
    await assert.rejects(Database.open(location), { code: "STORE_LOCKED" });
    await db.close();
    await db.close();
    await assert.rejects(
      db.change(async () => {}),
      { code: "STORE_CLOSED" },
    );
    database = undefined;
    await writeFile(join(location, "file"), "");
    await assert.rejects(Database.open(join(location, "file")), { code: "STORE_UNUSABLE" });
  });

  it("says that it is damaged when a byte of its log is, and drops a record that was cut short", async () => {
    const db = await reopen();
    for (const name of ["a", "b", "c"]) await db.change(async (changes) => changes.put(name, name.repeat(50)));
    await db.close();
    database = undefined;
    const log = (await readdir(location)).find((name) => name.endsWith(".log"))!;
    const path = join(location, log);
    const bytes = await readFile(path);
    for (const place of [bytes.length - 3, 20]) {
      const damaged = Buffer.from(bytes);
      damaged[place]! ^= 1;
      await writeFile(path, damaged);
      await assert.rejects(Database.open(location), { code: "STORE_DAMAGED" });
    }
    await writeFile(path, bytes);
    await truncate(path, bytes.length - 3);
    assert.deepEqual(
      (await (await reopen()).list("")).map(([name]) => name),
      ["a", "b"],
    );
  });

  it("says that it is damaged when its own list of files is", async () => {
    await (await reopen()).change(async (changes) => changes.put("a", "1"));
    await database!.close();
    database = undefined;
    await rm(join(location, "CURRENT"));
    await writeFile(join(location, "CURRENT"), "MANIFEST-999999\n");
    await assert.rejects(Database.open(location), { code: "STORE_DAMAGED" });
  });

  it("finds every acknowledged voucher and receipt after a kill at any instant", async function () {
    this.timeout(60_000);
    const acknowledged = new Map<string, bigint>();
    let receipts = 0;
    for (let round = 0; round < 6; round += 1) {
      const child = spawn(process.execPath, [writer, location, String(receipts)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      children.add(child);
      // How many lines it may say before it is killed: another point of its writing each time.
      const lines = 20 + Math.floor(Math.random() * 400);
      let heard = 0;
      for await (const line of createInterface({ input: child.stdout! })) {
        const [kind, name, seq] = line.split(" ");
        assert.notEqual(kind, "error", line);
        if (kind === "v") acknowledged.set(name!, BigInt(seq!));
        else receipts = Number(name) + 1;
        heard += 1;
        if (heard === lines) child.kill("SIGKILL");
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      assert.equal(child.signalCode, "SIGKILL");
      const db = await reopen();
      const vouchers = new LevelVoucherStore(db);
      for (const [channel, seq] of acknowledged) {
        const held = await vouchers.newest("held", channel as Hex);
        assert.ok(held !== undefined && held.voucher.value.seq >= seq, `round ${round}: ${channel} lost ${seq}`);
        assert.equal(held.voucher.value.cumulative, held.voucher.value.seq * 10n);
      }
      const kept = new Set((await new LevelReceiptStore(db).list()).map(({ key }) => key));
      for (let number = 0; number < receipts; number += 1) assert.ok(kept.has(`receipt/${number}`));
      receipts = kept.size;
      await db.close();
      database = undefined;
    }
    assert.equal(acknowledged.size, 8);
  });

  it("gives a coded error when the disk is full, and keeps what it had", async function () {
    this.timeout(30_000);
    // A file size limit is the disk that is full for one process; the signal that comes with it is ignored.
    const limited = `ulimit -f 64; trap '' XFSZ; exec "$0" "$@"`;
    const child = spawn("bash", ["-c", limited, process.execPath, writer, location, "0"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    children.add(child);
    const acknowledged = new Map<string, bigint>();
    const end: string[] = [];
    for await (const line of createInterface({ input: child.stdout! })) {
      const [kind, name, seq] = line.split(" ");
      if (kind === "v") acknowledged.set(name!, BigInt(seq!));
      else if (kind !== "r") end.push(line);
    }
    if (child.exitCode === null) await once(child, "exit");
    assert.deepEqual(end, ["e 0", "error STORE_WRITE_FAILED"]);
    assert.equal(child.exitCode, 3);
    const vouchers = new LevelVoucherStore(await reopen());
    for (const [channel, seq] of acknowledged) {
      assert.ok((await vouchers.newest("held", channel as Hex))!.voucher.value.seq >= seq);
    }
  });
});
