import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { unlessAborted } from "@leat/node/kernel/abort.ts";

describe("work that ends with a signal", () => {
  const unheard: unknown[] = [];
  const note = (error: unknown) => void unheard.push(error);

  before(() => process.on("unhandledRejection", note));
  after(() => void process.off("unhandledRejection", note));

  it("may fail once nobody listens any more, also where nobody did from the start", async () => {
    for (const isLate of [true, false]) {
      const over = new AbortController();
      const work = Promise.withResolvers<void>();
      if (isLate) over.abort();
      const waiting = assert.rejects(unlessAborted(work.promise, over.signal), { name: "AbortError" });
      over.abort();
      await waiting;
      work.reject(new Error("too late"));
      await turn();
    }
    assert.deepEqual(unheard, []);
  });

  it("gives what it came to", async () => {
    const { signal } = new AbortController();
    assert.equal(await unlessAborted(Promise.resolve(7), signal), 7);
    await assert.rejects(unlessAborted(Promise.reject(new Error("its own")), signal), { message: "its own" });
  });
});
