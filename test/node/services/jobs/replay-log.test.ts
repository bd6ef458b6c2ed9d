import assert from "node:assert/strict";
import { ReplayLog } from "@leat/node/services/jobs/replay-log.ts";

describe("replay log", () => {
  const never = new AbortController().signal;

  it("gives every reader every item, early or late, and then the end", async () => {
    const log = new ReplayLog<string>();
    const readAll = async () => {
      const items: string[] = [];
      for (let at = log.first; ; at += 1) {
        const item = await log.read(at, never);
        if (item === undefined) return items;
        items.push(item);
      }
    };
    const early = readAll();
    log.append("a");
    log.append("b");
    const late = readAll();
    log.append("c");
    log.close();
    assert.deepEqual(await Promise.all([early, late]), [
      ["a", "b", "c"],
      ["a", "b", "c"],
    ]);
  });

  it("tells a reader that it is behind what is kept, and counts what is held", async () => {
    const log = new ReplayLog<string>();
    for (const item of ["a", "b", "c"]) log.append(item, 10);
    log.dropBefore(2);
    assert.deepEqual([log.first, log.next, log.sizeBytes], [2, 3, 10]);
    await assert.rejects(log.read(1, never), { code: "INGEST_READER_BEHIND" });
    assert.equal(await log.read(2, never), "c");
  });

  it("wakes patient readers for what is not minor, and says where that is", async () => {
    const log = new ReplayLog<string>();
    const woken: string[] = [];
    const eager = log.change(never).then((index) => woken.push(`eager ${index}`));
    const patient = log.change(never, true).then((index) => woken.push(`patient ${index}`));
    log.append("a", 0, true);
    await eager;
    log.append("b", 0, true);
    log.append("c");
    await patient;
    const next = log.change(never, true);
    log.append("d", 0, true);
    log.close();
    assert.deepEqual(woken, ["eager 0", "patient 2"]);
    assert.equal(await next, 4);
  });

  it("stops waiting when the reader leaves", async () => {
    const log = new ReplayLog<string>();
    const leaving = new AbortController();
    const reading = log.read(0, leaving.signal);
    leaving.abort();
    await assert.rejects(reading, { name: "AbortError" });
  });
});
