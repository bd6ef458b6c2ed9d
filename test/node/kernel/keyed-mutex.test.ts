import assert from "node:assert/strict";
import { KeyedMutex } from "@leat/node/kernel/keyed-mutex.ts";

describe("kernel/keyed-mutex", () => {
  it("runs one at a time for each key, past a failure, and keeps no key waiting for another", async () => {
    const mutex = new KeyedMutex<string>();
    const log: string[] = [];
    const goOn = Promise.withResolvers<void>();
    const work = (key: string, name: string, until?: Promise<void>) =>
      mutex.run(key, async () => {
        log.push(`+${name}`);
        await until;
        log.push(`-${name}`);
        if (until !== undefined) throw new Error(name);
        return name;
      });
    const first = assert.rejects(work("a", "a1", goOn.promise), /a1/);
    const second = work("a", "a2");
    assert.deepEqual(await Promise.all([work("b", "b1"), work("b", "b2")]), ["b1", "b2"]);
    assert.deepEqual(log, ["+a1", "+b1", "-b1", "+b2", "-b2"]);
    goOn.resolve();
    await first;
    assert.equal(await second, "a2");
    assert.deepEqual(log.slice(5), ["-a1", "+a2", "-a2"]);
  });
});
