import assert from "node:assert/strict";
import { HolderWatch } from "@leat/node/services/delivery/holder-watch.ts";
import { OriginTime } from "@leat/node/services/delivery/origin-time.ts";
import { collectGarbage } from "../../../support/held-memory.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const limits = { answerMs: 2_000, silenceMs: 1_000, maxMs: 1_000, firstMs: 3_000 };

describe("watch over a holder", () => {
  const clock = new ManualClock();

  it("says why it is lost: silent before it answers, and late where it brings nothing new", async () => {
    const silent = new HolderWatch(clock, new OriginTime(clock), limits);
    silent.start(false);
    await clock.advance(limits.answerMs);
    assert.equal(silent.signal.reason.code, "DELIVERY_PARENT_SILENT");
    await silent.stop();
    const late = new HolderWatch(clock, new OriginTime(clock), limits);
    late.start(false);
    late.served();
    while (!late.signal.aborted) {
      late.heard();
      await clock.advance(200);
    }
    assert.equal(late.signal.reason.code, "DELIVERY_PARENT_LATE");
    await late.stop();
  });

  it("holds nobody who listened once it stops", async () => {
    const watch = async () => {
      const holder = new HolderWatch(clock, new OriginTime(clock), limits);
      const listener = () => {};
      holder.signal.addEventListener("abort", listener, { once: true });
      holder.start(false);
      await holder.stop();
      return new WeakRef(listener);
    };
    const listeners: WeakRef<() => void>[] = [];
    while (listeners.length < 16) listeners.push(await watch());
    // A reference that was looked into stands until the end of its turn.
    await new Promise(setImmediate);
    collectGarbage();
    // The engine's compiler, at work on a thread of its own, may hold one for a moment: what leaks holds them all.
    const held = listeners.filter((listener) => listener.deref() !== undefined);
    assert.ok(held.length < listeners.length / 2, `${held.length} of ${listeners.length} are held`);
  });
});
