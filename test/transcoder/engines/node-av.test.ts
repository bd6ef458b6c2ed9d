import assert from "node:assert/strict";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import { resolveLadder } from "@leat/transcoder/ladder.ts";
import { startLiveTranscode } from "@leat/transcoder/supervisor.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { describeEngine } from "../../suites/engine.ts";
import { runLive, videoConfigs, videoFrames, withBoundaries } from "../../support/live-run.ts";

describe("transcoder/engines/node-av", () => {
  describeEngine("node-av");

  it("encodes the smallest picture that a ladder gives a codec, and none that is smaller", async function () {
    this.timeout(60_000);
    const pattern = { width: 128, height: 128, fps: 30, durationS: 0.2, keyframeEveryS: 1, audio: false };
    const items = await readMedia({ pattern });
    const source = videoConfigs(items)[0]!;
    const inputs = withBoundaries(videoFrames(items), []);
    for (const [codec, least] of [
      ["hevc", 16],
      ["av1", 64],
    ] as const) {
      const ladder = [{ name: "least", codec, height: least, videoBitrate: 100_000, audioBitrate: 64_000 }];
      const { rungs } = resolveLadder(ladder, source);
      assert.deepEqual([rungs[0]?.width, rungs[0]?.height], [least, least]);
      const output = await runLive({ source, rungs, engine: "node-av" }, inputs);
      assert.equal(output.rungs[0]!.frames.length, 6);
      for (const side of ["width", "height"] as const) {
        const small = rungs.map((rung) => ({ ...rung, [side]: least - 2 }));
        await assert.rejects(
          runLive({ source, rungs: small, engine: "node-av" }, inputs),
          (error) => isCodedError(error) && error.code === "TRANSCODE_ENCODER_FAILED",
        );
      }
    }
  });

  it("encodes in software where a chip's encoder does not open, and says so", async function () {
    this.timeout(60_000);
    const items = await readMedia({
      pattern: { width: 320, height: 180, fps: 30, durationS: 1, keyframeEveryS: 1, audio: false },
    });
    const source = videoConfigs(items)[0]!;
    const rung = {
      name: "90",
      codec: "h264",
      width: 160,
      height: 90,
      videoBitrate: 100_000,
      audioBitrate: 64_000,
    } as const;
    // One that this system's FFmpeg has not.
    const encoder = process.platform === "darwin" ? "h264_vaapi" : "h264_videotoolbox";
    const told: unknown[] = [];
    let frames = 0;
    const worker = startLiveTranscode(
      { source, rungs: [rung], engine: "node-av", encoders: { h264: encoder } },
      {
        config() {},
        frame: () => {
          frames += 1;
        },
        segmentEnd() {},
        fallback: (index, name, reason) => told.push([index, name, reason.startsWith("TRANSCODE_ENCODER_")]),
        error() {},
        exit() {},
      },
    );
    for (const input of withBoundaries(videoFrames(items), [])) await worker.push(input);
    await worker.end();
    assert.deepEqual(told, [[0, encoder, true]]);
    assert.equal(frames, 30);
  });
});
