import assert from "node:assert/strict";
import { FrameRelay } from "../../../../node/media/live-frames.ts";
import { type EdgeSource, serveEdge } from "../../../../node/services/jobs/edge-link.ts";
import { ALIVE_MS } from "../../../../node/services/jobs/progress-count.ts";
import { createLoopback } from "../../../../node/wire/media/loopback.ts";
import type { MediaMessage, SubscribeMessage } from "../../../../node/wire/media/message.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

describe("an edge that is served", () => {
  const clock = new ManualClock();
  const subscribe = { fromSequence: 0 } as SubscribeMessage;

  /** Serves a stream of which nothing comes until the edge leaves. */
  function serve(more: Partial<EdgeSource>) {
    const [here, there] = createLoopback(`0x${"11".repeat(20)}`);
    let beats = 0;
    const source: EdgeSource = {
      clock,
      read: (_from, signal) => untilAborted(signal),
      isAlive: () => true,
      onWish() {},
      onBeat() {
        beats += 1;
      },
      ...more,
    };
    const heard: string[] = [];
    const hearing = (async () => {
      for await (const { type } of there.messages) heard.push(type);
    })();
    const served = serveEdge(here, subscribe, source, new AbortController().signal);
    const leave = async () => {
      await there.close();
      await Promise.allSettled([served, hearing]);
    };
    return { heard, beats: () => beats, leave };
  }

  it("hears that its holder is there while nothing comes", async () => {
    const { heard, beats, leave } = serve({});
    await clock.advance(3 * ALIVE_MS);
    assert.deepEqual([heard, beats()], [["accepted", "alive", "alive"], 3]);
    await leave();
    assert.equal(clock.sleeping, 0);
  });

  it("wakes nobody for that in its holder's own process", async () => {
    const { heard, beats, leave } = serve({ frames: new FrameRelay() });
    await clock.advance(3 * ALIVE_MS);
    assert.equal(clock.sleeping, 0);
    assert.deepEqual([heard, beats()], [["accepted"], 0]);
    await leave();
  });
});

/** Nothing, and no end before that. */
async function* untilAborted(signal: AbortSignal): AsyncGenerator<MediaMessage, void> {
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  yield* [];
}
