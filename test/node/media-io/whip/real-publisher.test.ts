import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { withDirectory } from "../../../support/media/ffmpeg.ts";
import { RecorderSink } from "../../../support/recorder-sink.ts";
import { WhipServer } from "../../../support/whip-server.ts";

const run = promisify(execFile);
const publisher = fileURLToPath(new URL("../../../support/whip-publisher.ts", import.meta.url));
const seconds = 3;

describe("whip, from a program that is not ours", function () {
  this.timeout(60_000);

  it("takes what FFmpeg's WHIP muxer publishes: every picture, its sound, and its goodbye", () =>
    withDirectory(async (directory) => {
      const file = join(directory, "call.mkv");
      const pictures = ["-f", "lavfi", "-i", `testsrc2=size=320x180:rate=30:duration=${seconds}`];
      const tone = ["-f", "lavfi", "-i", `sine=frequency=440:sample_rate=48000:duration=${seconds}`];
      const video = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline"];
      const rest = ["-g", "30", "-pix_fmt", "yuv420p", "-c:a", "libopus", "-ac", "2", file];
      await run("ffmpeg", ["-v", "error", "-nostdin", ...pictures, ...tone, ...video, ...rest]);
      const sink = new RecorderSink();
      const server = await WhipServer.start(async () => sink);
      try {
        await run(process.execPath, [publisher, file, `${server.url}/whip/KEY`]);
        assert.deepEqual(await sink.ended.promise, { clean: true });
        assert.equal(sink.videos.length, 30 * seconds);
        assert.equal(sink.videos.filter(({ key }) => key).length, seconds);
        assert.ok(sink.audios.length >= 50 * seconds - 3, `${sink.audios.length} packets of sound`);
        const [picture, sound] = [sink.videos, sink.audios].map((samples) => samples.at(-1)!.dtsMs - samples[0]!.dtsMs);
        assert.ok(Math.abs(picture! - sound!) < 100, `${picture} and ${sound} ms`);
      } finally {
        await server.stop();
      }
    }));
});
