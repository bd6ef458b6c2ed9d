import assert from "node:assert/strict";
import type { MadeRendition, SegmentSink } from "@leat/node/media-io/publish-sink.ts";
import { type Frame, isTrackConfig, type VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { resolveLadder } from "@leat/transcoder/ladder.ts";
import { readMedia } from "@leat/transcoder/tools/media.ts";
import { runLive, videoConfigs, videoFrames, withBoundaries } from "../../../support/live-run.ts";
import { PushServer } from "../../../support/push-server.ts";

const pattern = { width: 320, height: 240, fps: 30, durationS: 2, keyframeEveryS: 1, bFrames: 0, audio: false };
const ladder = [{ name: "240p", codec: "h264", height: 240, videoBitrate: 1, audioBitrate: 64_000 }] as const;

/** Of a segment it makes the pictures that it is of. */
function echoSink(): SegmentSink {
  let config: VideoConfig | undefined;
  let frames: Frame[] = [];
  return {
    config(_kind, given) {
      if (given.kind === "video" && isTrackConfig(given)) config = given;
    },
    video({ dtsMs, ctsMs, key, data }) {
      const [dts, pts] = [Math.round(dtsMs * 90), Math.round((dtsMs + ctsMs) * 90)];
      const times = { epoch: 0, dts, pts, duration: 3_000 };
      frames.push({ kind: "video", ...times, key, configVersion: 0, arrivalMs: 0, data: Uint8Array.from(data) });
    },
    audio() {},
    end() {},
    foresee: () => [],
    endSegment(): Promise<readonly MadeRendition[]> {
      const segments = [{ config: config!, frames }];
      frames = [];
      return Promise.resolve([{ name: "240p", codec: "h264", width: 320, height: 240, segments }]);
    },
  };
}

/** Our own nodes take pushed segments as a gateway does: one side was written without the other. */
describe("a gateway of our own", function () {
  this.timeout(60_000);

  it("understands what is asked, and is understood", async () => {
    const keys: string[] = [];
    const sink = echoSink();
    const server = await PushServer.start(async (key) => {
      keys.push(key);
      return sink;
    });
    try {
      const items = await readMedia({ pattern });
      const [source] = videoConfigs(items);
      const frames = videoFrames(items);
      const gateway = { url: `http://127.0.0.1:${server.port}`, timeoutMs: 10_000 };
      const { rungs } = resolveLadder(ladder, source!);
      const output = await runLive(
        { source: source!, rungs, engine: "livepeer", gateway },
        withBoundaries(frames, [30], 7),
      );
      assert.deepEqual(
        output.rungs[0]!.segments.map(({ sequence, summary }) => [sequence, summary.frames]),
        [
          [7, 30],
          [8, 30],
        ],
      );
      assert.deepEqual(
        output.rungs[0]!.frames.map(({ frame: { pts, key, data } }) => [
          pts,
          key,
          Buffer.from(data).toString("base64"),
        ]),
        frames.map(({ pts, key, data }) => [pts, key, Buffer.from(data).toString("base64")]),
      );
      assert.equal(keys.length, 1);
      assert.match(keys[0]!, /^leat[0-9a-f]{24}$/);
    } finally {
      await server.stop();
    }
  });
});
