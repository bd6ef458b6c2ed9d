import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { FlvDemuxer } from "@leat/node/media-io/rtmp/flv.ts";
import { createRtmpServer, type RtmpServer } from "@leat/node/media-io/rtmp/server.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { resolveLadder } from "@leat/transcoder/ladder.ts";
import { encodeCase, enhancedCases, FRAMES, publishEnhanced } from "../../../support/enhanced-files.ts";
import { runLive, withBoundaries } from "../../../support/live-run.ts";
import { decodeFrames, encodeFragmented } from "../../../support/media/ffmpeg.ts";
import { readTrack } from "../../../support/media/mp4-reader.ts";
import { packSegments, SegmentSink } from "../../../support/segment-sink.ts";

const run = promisify(execFile);
interface FilePacket {
  readonly ptsMs: number;
  readonly key: boolean;
}

describe("rtmp with the tags of Enhanced RTMP, as FFmpeg 8 publishes them", function () {
  this.timeout(60_000);
  let directory = "";
  let server: RtmpServer | undefined;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "leat-enhanced-"));
  });
  afterEach(() => server?.stop());
  after(() => rm(directory, { recursive: true, force: true }));

  /** In the order of the file. */
  async function readPackets(path: string, stream: string): Promise<FilePacket[]> {
    const select = ["-select_streams", stream, "-show_entries", "packet=pts_time,flags"];
    const { stdout } = await run("ffprobe", ["-v", "error", ...select, "-of", "csv=p=0", path]);
    const lines = stdout.trim().split("\n");
    return lines.map((line) => ({ ptsMs: Number(line.split(",")[0]) * 1000, key: line.includes("K") }));
  }

  for (const one of enhancedCases) {
    it(`takes ${one.codec} with ${one.audio}: every picture and packet, when it shows, to the last bit`, async () => {
      const path = await encodeCase(one, directory);
      const sink = new SegmentSink();
      server = createRtmpServer({ host: "127.0.0.1", port: 0, authorize: async () => sink, logger: silentLogger });
      await server.start();
      await publishEnhanced(path, `${server.url}/key`);
      await sink.ended.promise;

      const video = sink.configs.get("video") as VideoConfig;
      assert.deepEqual([video.codec, video.width, video.height], [one.codec, 320, 180]);
      assert.match(video.codecString, one.codecString);
      const frames = [...sink.segments.values()].flat();
      const packets = await readPackets(path, "v:0");
      assert.equal(packets.length, FRAMES);
      assert.equal(sink.maker.dropped, 0);
      const decoding = frames.toSorted((left, right) => left.dts - right.dts);
      assert.deepEqual(
        decoding.map(({ key }) => key),
        packets.map(({ key }) => key),
      );
      assert.equal(packets.filter(({ key }) => key).length, 3);
      // RTMP and the file both count in milliseconds, each from another start.
      const late = decoding.map(({ pts }, index) => pts / 90 - packets[index]!.ptsMs);
      assert.ok(late.every((ms) => Math.abs(ms - late[0]!) <= 1.01));

      // Another FFmpeg decodes what we packed as it decodes what was published.
      const packed = await decodeFrames(packSegments(video, new Map([[0, decoding]])));
      const wanted = await decodeFrames(path, ["-map", "0:v:0"]);
      assert.equal(wanted.checksums.length, FRAMES);
      assert.deepEqual(packed, { checksums: wanted.checksums, complaints: "" });

      // The bindings decode it in a live worker, picture by picture.
      const ladder = [{ name: "90", codec: "h264", height: 90, videoBitrate: 200_000, audioBitrate: 64_000 }] as const;
      const { rungs } = resolveLadder(ladder, video);
      const output = await runLive({ source: video, rungs, engine: "node-av" }, withBoundaries(decoding, []));
      assert.deepEqual(
        output.rungs[0]!.segments.map(({ summary }) => summary),
        [{ frames: FRAMES, concealed: 0 }],
      );

      const audio = sink.configs.get("audio")!;
      assert.deepEqual([audio.kind, audio.codec], ["audio", one.audio]);
      const heard = [...sink.heard.values()].flat();
      const sounds = await readPackets(path, "a:0");
      // What an encoder warms up with stands before the first picture, in no segment.
      assert.equal(heard.length + sink.cutter!.dropped, sounds.length);
      assert.ok(sink.cutter!.dropped <= 1);
      assert.equal((await decodeFrames(packSegments(audio, sink.heard))).complaints, "");
      const spacing = one.audio === "opus" ? 960 : 1024;
      assert.ok(heard.every(({ dts }, index) => index === 0 || dts - heard[index - 1]!.dts === spacing));
    });
  }

  it("takes HEVC by the number that encoders gave it before it had letters", async () => {
    const source = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=1"];
    const flags = ["-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-x265-params", "log-level=none"];
    const track = readTrack(await encodeFragmented(source, [...flags, "-pix_fmt", "yuv420p"]));
    const demuxer = new FlvDemuxer();
    const tag = (type: number, ctsMs: number, data: Uint8Array) =>
      demuxer.video(0, Uint8Array.from([0x1c, type, 0, 0, ctsMs, ...data]));
    const [config] = tag(0, 0, track.config.description);
    assert.ok(config?.type === "config" && config.config.codec === "hevc" && config.config.kind === "video");
    assert.deepEqual(config.config.description, track.config.description);
    const pictures = track.frames.flatMap((frame) => tag(1, 40, frame.data));
    assert.deepEqual(
      pictures.map((item) => item.type === "video" && [item.sample.key, item.sample.ctsMs]),
      track.frames.map(({ key }) => [key, 40]),
    );
  });
});
