import assert from "node:assert/strict";
import { once } from "node:events";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { ManualClock } from "../../support/manual-clock.ts";

describe("kernel/task-group", () => {
  it("aborts its tasks and waits for them when it closes", async () => {
    const group = new TaskGroup();
    const seen: string[] = [];
    group.run(async (signal) => {
      await once(signal, "abort");
      await Promise.resolve();
      seen.push("ended");
    });
    assert.equal(group.size, 1);
    await group.close();
    assert.deepEqual(seen, ["ended"]);
    assert.equal(group.size, 0);
    await group.close();
  });

  it("refuses work after it closed", async () => {
    const group = new TaskGroup();
    await group.close();
    assert.throws(() => group.run(async () => {}), { code: "KERNEL_TASKS_CLOSED" });
  });

  it("reports a failing task and not its own abort", async () => {
    const errors: unknown[] = [];
    const group = new TaskGroup({ onError: (error) => errors.push(error) });
    const failure = new Error("broken");
    group.run(async () => {
      throw failure;
    });
    group.run(async (signal) => {
      await once(signal, "abort");
      signal.throwIfAborted();
    });
    await group.close();
    assert.deepEqual(errors, [failure]);
  });

  it("repeats a round after each pause, also when one fails, and stops with the group", async () => {
    const clock = new ManualClock();
    const errors: unknown[] = [];
    const group = new TaskGroup({ clock, onError: (error) => errors.push(error) });
    let rounds = 0;
    group.every(1_000, () => {
      rounds += 1;
      if (rounds === 2) throw new Error("second round");
    });
    await clock.advance(999);
    assert.equal(rounds, 0);
    await clock.advance(3_001);
    assert.equal(rounds, 4);
    assert.equal(errors.length, 1);
    await group.close();
    await clock.advance(5_000);
    assert.equal(rounds, 4);
    assert.equal(clock.sleeping, 0);
  });
});
