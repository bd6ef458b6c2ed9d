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

  it("double up to half a minute", async () => {
    assert.deepEqual(await listPauses("transcode"), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  it("are short for an edge, for which viewers wait", async () => {
    assert.deepEqual(await listPauses("delivery"), [1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000]);
  });
});
