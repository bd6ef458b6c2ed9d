import assert from "node:assert/strict";
import { NewestOnly } from "@leat/node/kernel/newest-only.ts";

describe("newest only", () => {
  it("works on what comes first, then on the newest of what came meanwhile, one at a time", async () => {
    const began: number[] = [];
    const steps = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const done = Promise.withResolvers<void>();
    const newest = new NewestOnly<number>(async (value) => {
      began.push(value);
      await steps[began.length - 1]!.promise;
      if (began.length === steps.length) done.resolve();
    });
    for (let value = 0; value < 1_000; value += 1) newest.offer(value);
    assert.deepEqual(began, [0]);
    steps[0]!.resolve();
    await steps[0]!.promise;
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(began, [0, 999]);
    steps[1]!.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    newest.offer(7);
    steps[2]!.resolve();
    await done.promise;
    assert.deepEqual(began, [0, 999, 7]);
  });
});
