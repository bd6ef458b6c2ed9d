import assert from "node:assert/strict";
import { NewestOfAttempts } from "@leat/node/services/buyer/newest-of-attempts.ts";

describe("buyer/newest of attempts", () => {
  const first = { job: "0x01", attempt: 0 } as const;
  const second = { job: "0x01", attempt: 1 } as const;
  const third = { job: "0x02", attempt: 0 } as const;

  it("keeps so many of an attempt's newest segments", () => {
    const newest = new NewestOfAttempts<string>({ perAttempt: 3 });
    for (let seq = 0n; seq < 5n; seq += 1n) newest.set(first, seq, `first ${seq}`);
    newest.set(second, 0n, "second 0");
    const kept = [0n, 1n, 2n, 3n, 4n].map((seq) => newest.get(first, seq));
    assert.deepEqual(kept, [undefined, undefined, "first 2", "first 3", "first 4"]);
    assert.deepEqual([newest.get(second, 0n), newest.size], ["second 0", 4]);
  });

  it("counts a segment once, however often it is told of", () => {
    const newest = new NewestOfAttempts<number>({ perAttempt: 3 });
    for (let time = 0; time < 9; time += 1) newest.set(first, 7n, time);
    assert.deepEqual([newest.get(first, 7n), newest.size], [8, 1]);
  });

  it("lets go of the attempt that was quiet longest where there are too many", () => {
    const newest = new NewestOfAttempts<number>({ total: 4 });
    for (const attempt of [first, second]) for (const seq of [0n, 1n]) newest.set(attempt, seq, 0);
    newest.set(first, 2n, 0);
    assert.deepEqual([newest.get(first, 0n), newest.get(second, 0n), newest.size], [0, undefined, 3]);
    newest.set(third, 0n, 0);
    newest.set(third, 1n, 0);
    assert.deepEqual([newest.get(first, 2n), newest.get(third, 1n), newest.size], [undefined, 0, 2]);
  });

  it("holds nothing of an attempt that is over", () => {
    const newest = new NewestOfAttempts<number>();
    for (const attempt of [first, second]) newest.set(attempt, 0n, 1);
    newest.forget(first);
    newest.forget(third);
    assert.deepEqual([newest.get(first, 0n), newest.get(second, 0n), newest.size], [undefined, 1, 1]);
  });
});
