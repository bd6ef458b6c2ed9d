import assert from "node:assert/strict";
import { Beat } from "@leat/node/kernel/beat.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { ManualClock } from "../../support/manual-clock.ts";

describe("kernel/beat", () => {
  it("brings loops of one pause together, whenever they began and however long their rounds take", async () => {
    const clock = new ManualClock();
    const startMs = clock.nowMs();
    const beat = new Beat(clock);
    const group = new TaskGroup({ clock });
    const seen: [loop: string, atMs: number][] = [];
    const loop = (name: string, roundMs: number) =>
      group.every(
        (signal) => beat.next(1_000, signal),
        async () => {
          seen.push([name, clock.nowMs() - startMs]);
          if (roundMs > 0) await clock.sleep(roundMs);
        },
      );
    loop("first", 0);
    await clock.advance(300);
    loop("second", 400);
    await clock.advance(3_000);
    assert.deepEqual(seen, [
      ["first", 1_000],
      ["second", 1_000],
      ["first", 2_000],
      ["second", 2_000],
      ["first", 3_000],
      ["second", 3_000],
    ]);
    // Until the last round is over.
    await clock.advance(100);
    await group.close();
    assert.equal(clock.sleeping, 0);
  });

  it("comes once at a time, also where a timer goes off before the clock shows its time", async () => {
    const clock = new ManualClock();
    const startMs = clock.nowMs();
    const late = {
      nowMs: () => Math.max(startMs, clock.nowMs() - 1),
      sleep: (ms: number, signal?: AbortSignal) => clock.sleep(ms, signal),
    };
    const beat = new Beat(late);
    void beat.next(1_000);
    await clock.advance(1_000);
    void beat.next(1_000);
    assert.ok(clock.isSlept(1_001));
    await clock.advance(1_001);
  });

  it("waits no longer than one pause where the clock was set back", async () => {
    const clock = new ManualClock();
    let offsetMs = 0;
    const beat = new Beat({ sleep: (ms, signal) => clock.sleep(ms, signal), nowMs: () => clock.nowMs() - offsetMs });
    offsetMs = 600_250;
    void beat.next(1_000);
    assert.ok(clock.isSlept(250));
    await clock.advance(250);
  });
});
