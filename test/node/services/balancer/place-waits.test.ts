import assert from "node:assert/strict";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import { PlaceNews, PlacePauses } from "../../../../node/services/balancer/place-waits.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

describe("pauses between tries of a job", () => {
  const never = new AbortController().signal;

  async function listPauses(primitive: "delivery" | "transcode") {
    const clock = new ManualClock();
    const job = { id: bytesToHex(new Uint8Array(32).fill(1)), primitive };
    const pauses = new PlacePauses({ clock, news: new PlaceNews(clock) }, job, 1_000);
    const found: number[] = [];
    while (found.length < 7) {
      const startMs = clock.nowMs();
      let isOver = false;
      const over = pauses
        .next(() => false, never)
        .then(() => {
          isOver = true;
        });
      while (!isOver) await clock.advance(500);
      await over;
      found.push(clock.nowMs() - startMs);
    }
    return found;
  }

  it("end for a viewer who asks, and once a second however many ask", async () => {
    const clock = new ManualClock();
    const job = { id: bytesToHex(new Uint8Array(32).fill(1)), primitive: "delivery" } as const;
    const pauses = new PlacePauses({ clock, news: new PlaceNews(clock) }, job, 1_000);
    const startMs = clock.nowMs();
    const ends: number[] = [];
    void (async () => {
      for (;;) {
        await pauses.next(() => false, never);
        ends.push(clock.nowMs() - startMs);
      }
    })();
    await clock.advance(3_000);
    assert.deepEqual(ends, [1_000, 3_000]);
    await clock.advance(1_500);
    pauses.ask();
    await clock.advance(0);
    assert.deepEqual(ends, [1_000, 3_000, 4_500]);
    for (let tenth = 0; tenth < 30; tenth += 1) {
      pauses.ask();
      await clock.advance(100);
    }
    assert.deepEqual(ends.slice(3), [5_500, 6_500, 7_500]);
  });

  it("double up to half a minute", async () => {
    assert.deepEqual(await listPauses("transcode"), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  it("are short for an edge, for which viewers wait", async () => {
    assert.deepEqual(await listPauses("delivery"), [1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000]);
  });
});
