import assert from "node:assert/strict";
import { Silence } from "@leat/node/services/delivery/silence.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

/** What an edge lets pass by default. */
const SILENCE_MS = 600;
/** Of the second within which the next holder is to feed it, what is left for asking that one. */
const NOTICED_MS = 800;

describe("silence of who feeds an edge", () => {
  it("is noticed soon enough to be fed by another within a second, whenever it began", async () => {
    for (let lastMs = 1_000; lastMs < 1_200; lastMs += 20) {
      const clock = new ManualClock();
      const silence = new Silence(clock, SILENCE_MS);
      const beganMs = clock.nowMs();
      let noticedMs: number | undefined;
      const watched = silence.watch().then((error) => {
        noticedMs = clock.nowMs();
        return error;
      });
      while (clock.nowMs() - beganMs < lastMs) {
        silence.heard();
        await clock.advance(20);
      }
      assert.equal(noticedMs, undefined);
      await clock.advance(NOTICED_MS);
      assert.equal((await watched)?.code, "DELIVERY_PARENT_SILENT");
      const quietMs = noticedMs! - beganMs - lastMs;
      assert.ok(quietMs >= SILENCE_MS - 200 && quietMs <= NOTICED_MS, `${quietMs}`);
    }
  });

  it("is not told of whom nobody listens to any more", async () => {
    const clock = new ManualClock();
    const silence = new Silence(clock, SILENCE_MS);
    const watched = silence.watch();
    silence.stop();
    assert.equal(await watched, undefined);
    assert.equal(clock.sleeping, 0);
  });
});
