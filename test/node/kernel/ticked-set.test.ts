import assert from "node:assert/strict";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { TickedSet } from "@leat/node/kernel/ticked-set.ts";
import { ManualClock } from "../../support/manual-clock.ts";

describe("kernel/ticked-set", () => {
  it("calls its members, and sleeps where there is none", async () => {
    const clock = new ManualClock();
    const tasks = new TaskGroup({ clock });
    const members = new TickedSet(tasks, clock, 5);
    assert.equal(clock.sleeping, 0);
    const times: number[] = [];
    const member = { tick: (nowMs: number) => void times.push(nowMs) };
    const beganMs = clock.nowMs();
    members.add(member);
    members.add({ tick: () => {} });
    assert.equal(clock.sleeping, 1);
    await clock.advance(10);
    assert.deepEqual(times, [beganMs + 5, beganMs + 10]);
    for (const one of members) members.delete(one);
    await clock.advance(5);
    assert.equal(clock.sleeping, 0);
    assert.equal(members.size, 0);
    members.add(member);
    await clock.advance(5);
    assert.deepEqual(times.slice(2), [beganMs + 20]);
    await tasks.close();
    assert.equal(clock.sleeping, 0);
    members.add({ tick: () => {} });
    assert.equal(clock.sleeping, 0);
  });

  it("goes on after a call that fails, which is reported", async () => {
    const clock = new ManualClock();
    const errors: unknown[] = [];
    const tasks = new TaskGroup({ clock, onError: (error) => errors.push(error) });
    const failure = new Error("broken");
    const members = new TickedSet(tasks, clock, 5);
    members.add({
      tick: () => {
        throw failure;
      },
    });
    await clock.advance(10);
    assert.deepEqual(errors, [failure, failure]);
    await tasks.close();
  });
});
