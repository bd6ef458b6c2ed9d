import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { basename } from "node:path";
import { promisify } from "node:util";
import { createRtmpServer, type RtmpServer } from "@leat/node/media-io/rtmp/server.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import { decodeFrames } from "../../../support/media/ffmpeg.ts";
import { listMediaFiles } from "../../../support/media-files.ts";
import { packSegments, SegmentSink } from "../../../support/segment-sink.ts";

const run = promisify(execFile);

async function countPackets(path: string): Promise<number> {
  const flags = [
    "-v",
    "quiet",
    "-select_streams",
    "v:0",
    "-count_packets",
    "-show_entries",
    "stream=nb_read_packets",
    "-of",
    "csv=p=0",
  ];
  const { stdout } = await run("ffprobe", [...flags, path]);
  return Number.parseInt(stdout, 10);
}

/** Packets without times: the ffmpeg program does not copy them into FLV. */
const uncopyable = ["missing-dts.ts", "skip_1.ts"];

describe("rtmp with real inputs", function () {
  this.timeout(60_000);
  let server: RtmpServer | undefined;
  afterEach(() => server?.stop());

  async function publish(path: string): Promise<SegmentSink> {
    const intake = new SegmentSink();
    server = createRtmpServer({ host: "127.0.0.1", port: 0, authorize: async () => intake, logger: silentLogger });
    await server.start();
    const target = `rtmp://127.0.0.1:${server.port}/live/key`;
    const copy = ["-map", "0:v:0", "-map", "0:a:0?", "-c", "copy", "-f", "flv", target];
    await run("ffmpeg", ["-v", "error", "-nostdin", "-i", path, ...copy]);
    await intake.ended.promise;
    return intake;
  }

  for (const path of listMediaFiles().filter((file) => !uncopyable.includes(basename(file)))) {
    it(`turns ${basename(path)} into segments with every frame, none longer than the target`, async () => {
      const intake = await publish(path);
      const packets = await countPackets(path);
      const frames = [...intake.segments.values()].flat();
      assert.equal(frames.length + intake.maker.dropped, packets);
      assert.equal(intake.maker.dropped, 0);
      assert.deepEqual(
        [...intake.segments.keys()],
        [...intake.segments.keys()].map((_, index) => index),
      );
      for (const segment of intake.segments.values()) {
        const ticks = segment.reduce((sum, frame) => sum + frame.duration, 0);
        assert.ok(Math.round(ticks / 90_000) <= 4);
      }
      assert.ok(frames.every((frame) => frame.epoch === 0));
      const { checksums } = await decodeFrames(packSegments(intake.configs.get("video")!, intake.segments));
      const wanted = await decodeFrames(path, ["-map", "0:v:0"]);
      assert.deepEqual(checksums, wanted.checksums);
      const audio = intake.configs.get("audio");
      if (audio === undefined) return;
      const heard = [...intake.heard.values()].flat();
      assert.ok(heard.length > 0);
      const { complaints } = await decodeFrames(packSegments(audio, intake.heard));
      assert.equal(complaints, "");
    });
  }
});
