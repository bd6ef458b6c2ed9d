import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { resolveLadder } from "@leat/transcoder/ladder.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { runLive, videoConfigs, videoFrames, withBoundaries } from "../../support/live-run.ts";

const folder = fileURLToPath(new URL("../../../../shared/media/", import.meta.url));

describe("transcoder/engines with real files", function () {
  this.timeout(60_000);
  if (!existsSync(folder)) {
    it("is not tried: there is no ../shared/media beside the checkout");
    return;
  }

  // The decoder of skip_1 shows pictures in another order than their times say; missing-dts has times from guesses.
  for (const file of ["skip_1.ts", "missing-dts.ts", "kryp-1.ts", "portrait.ts"]) {
    it(`shows every picture of ${file} itself, at its time`, async () => {
      const items = await readMedia(`${folder}${file}`);
      const [source] = videoConfigs(items);
      const frames = videoFrames(items);
      const ladder = [{ name: "a", codec: "h264", height: 144, videoBitrate: 300_000, audioBitrate: 64_000 }] as const;
      const { rungs } = resolveLadder(ladder, source!);
      const output = await runLive({ source: source!, rungs, engine: "node-av" }, withBoundaries(frames, []));
      const [rung] = output.rungs;
      assert.deepEqual(
        rung!.frames.map(({ frame }) => frame.pts),
        frames.map(({ pts }) => pts).toSorted((left, right) => left - right),
      );
      assert.deepEqual(rung!.segments, [{ sequence: 0, summary: { frames: frames.length, concealed: 0 } }]);
    });
  }
});
