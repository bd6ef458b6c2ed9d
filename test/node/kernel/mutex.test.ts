import assert from "node:assert/strict";
import { Mutex } from "@leat/node/kernel/mutex.ts";

describe("kernel/mutex", () => {
  it("runs one at a time in the order of asking, also past a failure", async () => {
    const mutex = new Mutex();
    const log: string[] = [];
    const work = (name: string, fails = false) =>
      mutex.run(async () => {
        log.push(`+${name}`);
        await new Promise((resolve) => setImmediate(resolve));
        log.push(`-${name}`);
        if (fails) throw new Error(name);
        return name;
      });
    const first = assert.rejects(work("a", true), /a/);
    assert.deepEqual(await Promise.all([work("b"), work("c")]), ["b", "c"]);
    await first;
    assert.deepEqual(log, ["+a", "-a", "+b", "-b", "+c", "-c"]);
  });
});
