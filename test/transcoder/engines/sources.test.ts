import assert from "node:assert/strict";
import type { VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { EngineName } from "@leat/transcoder/engine.ts";
import { resolveLadder } from "@leat/transcoder/ladder.ts";
import { GatewayServer } from "../../support/gateway-server.ts";
import { runLive, withBoundaries } from "../../support/live-run.ts";
import { encodeFragmented } from "../../support/media/ffmpeg.ts";
import { readTrack } from "../../support/media/mp4-reader.ts";

const engines: readonly EngineName[] = ["node-av", "ffmpeg", "livepeer"];
/** What a transport stream carries. */
const pushed = /^(H\.264|HEVC)/;
const FRAMES = 50;
const pictures = ["-f", "lavfi", "-i", `testsrc2=size=320x180:rate=25:duration=${FRAMES / 25}`];
/** Groups of a second, pictures that refer to later ones where the codec has them. */
const sources: readonly (readonly [string, readonly string[]])[] = [
  ["H.264 with B-frames", ["-c:v", "libx264", "-preset", "veryfast", "-bf", "2"]],
  [
    "HEVC with open groups",
    [
      "-c:v",
      "libx265",
      "-preset",
      "ultrafast",
      "-tag:v",
      "hvc1",
      "-x265-params",
      "log-level=none:keyint=25:min-keyint=25",
    ],
  ],
  [
    "HEVC of ten bits",
    [
      "-c:v",
      "libx265",
      "-preset",
      "ultrafast",
      "-tag:v",
      "hvc1",
      "-x265-params",
      "log-level=none",
      "-pix_fmt",
      "yuv420p10le",
    ],
  ],
  [
    "VP9 with hidden frames",
    ["-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "5", "-lag-in-frames", "16", "-auto-alt-ref", "1"],
  ],
  ["AV1", ["-c:v", "libsvtav1", "-preset", "12"]],
];
const ladder = [
  { name: "180", codec: "h264", height: 180, videoBitrate: 400_000, audioBitrate: 64_000 },
  { name: "90", codec: "h264", height: 90, videoBitrate: 150_000, audioBitrate: 64_000 },
] as const;

describe("live sources of every codec", function () {
  this.timeout(60_000);

  let gateway: GatewayServer;

  before(async () => {
    gateway = await GatewayServer.start();
  });

  after(() => gateway.stop());

  for (const [name, output] of sources) {
    describe(name, () => {
      let track: ReturnType<typeof readTrack>;

      before(async () => {
        const format = output.includes("-pix_fmt") ? [] : ["-pix_fmt", "yuv420p"];
        track = readTrack(await encodeFragmented(pictures, [...output, "-g", "25", ...format]));
      });

      for (const engine of engines.filter((one) => one !== "livepeer" || pushed.test(name))) {
        it(`are decoded by ${engine}, every picture at its own time`, async () => {
          const source = track.config as VideoConfig;
          const { rungs } = resolveLadder(ladder, source);
          const second = track.frames.findLastIndex(({ key }) => key);
          const settings = { engine, gateway: { url: gateway.url, timeoutMs: 14_000 } };
          const output = await runLive({ source, rungs, ...settings }, withBoundaries(track.frames, [second]));
          const wanted = track.frames.map(({ pts }) => pts).sort((left, right) => left - right);
          assert.equal(wanted.length, FRAMES);
          for (const rung of output.rungs) {
            assert.deepEqual(
              rung.frames.map(({ frame }) => frame.pts),
              wanted,
            );
            assert.deepEqual(
              rung.segments.map(({ summary }) => summary.concealed),
              [0, 0],
            );
          }
        });
      }
    });
  }
});
