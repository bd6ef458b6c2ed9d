import assert from "node:assert/strict";
import { systemClock } from "@leat/node/kernel/clock.ts";
import { ManualClock } from "../../support/manual-clock.ts";

describe("kernel/clock", () => {
  for (const [name, clock] of [
    ["system", systemClock],
    ["manual", new ManualClock()],
  ] as const) {
    it(`${name}: a sleep ends with the reason of its signal`, async () => {
      const controller = new AbortController();
      const sleeping = assert.rejects(clock.sleep(1_000_000, controller.signal), /enough/);
      controller.abort(new Error("enough"));
      await sleeping;
      await assert.rejects(clock.sleep(0, controller.signal), /enough/);
    });
  }

  it("system: a sleep ends", () => systemClock.sleep(1, new AbortController().signal));

  it("manual: wakes sleepers in the order of their time", async () => {
    const clock = new ManualClock(0);
    const woken: [string, number][] = [];
    for (const ms of [30, 10, 20]) void clock.sleep(ms).then(() => woken.push([`${ms}`, clock.nowMs()]));
    await clock.advance(25);
    assert.deepEqual(woken, [
      ["10", 10],
      ["20", 20],
    ]);
    assert.equal(clock.nowMs(), 25);
  });
});
