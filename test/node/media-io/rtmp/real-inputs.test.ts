import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { basename } from "node:path";
import { promisify } from "node:util";
import { AudioCutter, type AudioStep } from "@leat/node/media/audio-cutter.ts";
import { BoundaryMaker } from "@leat/node/media/boundaries.ts";
import { concatBytes } from "@leat/node/media/mp4/box.ts";
import { initSegment } from "@leat/node/media/mp4/init.ts";
import { SegmentPackager } from "@leat/node/media/packager.ts";
import { Timeline } from "@leat/node/media/timeline.ts";
import type { PublishedAudio, PublishedVideo, PublishSink } from "@leat/node/media-io/publish-sink.ts";
import { createRtmpServer, type RtmpServer } from "@leat/node/media-io/rtmp/server.ts";
import { silentLogger } from "@leat/sdk/base/logger.ts";
import type { Boundary, Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { decodeFrames } from "../../../support/media/ffmpeg.ts";
import { listMediaFiles } from "../../../support/media-files.ts";

const run = promisify(execFile);

/** From published samples to segments, with nothing but the rules. */
class Intake implements PublishSink {
  readonly timeline = new Timeline();
  readonly maker = new BoundaryMaker();
  readonly configs = new Map<string, TrackConfig>();
  readonly boundaries: Boundary[] = [];
  readonly segments = new Map<number, Frame[]>();
  readonly heard = new Map<number, Frame[]>();
  readonly ended = Promise.withResolvers<void>();
  cutter: AudioCutter | undefined;

  config(kind: "video" | "audio", config: TrackConfig) {
    this.configs.set(kind, config);
    this.timeline.configure(config);
    if (kind === "audio") this.cutter ??= new AudioCutter(config.timescale);
  }
  video({ dtsMs, ctsMs, key, data }: PublishedVideo) {
    for (const frame of this.timeline.video({ dts: dtsMs, cts: ctsMs, key, data }, 0)) this.#take(frame);
  }
  sort(steps: AudioStep[]) {
    for (const step of steps) {
      if (step.type === "frame") this.heard.set(step.sequence, [...(this.heard.get(step.sequence) ?? []), step.frame]);
    }
  }
  audio({ dtsMs, data }: PublishedAudio) {
    for (const frame of this.timeline.audio({ dts: dtsMs, key: true, data }, 0)) this.sort(this.cutter!.push(frame));
  }
  end() {
    for (const frame of this.timeline.flush()) this.#take(frame);
    this.sort(this.cutter?.finish() ?? []);
    this.ended.resolve();
  }
  #take(frame: Frame) {
    const { boundary, sequence } = this.maker.push(frame);
    if (boundary !== undefined) {
      this.boundaries.push(boundary);
      this.sort(this.cutter?.boundary(boundary) ?? []);
    }
    if (sequence !== undefined) this.segments.set(sequence, [...(this.segments.get(sequence) ?? []), frame]);
    this.sort(this.cutter?.advance(frame.epoch, this.maker.highestPts) ?? []);
  }
}

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

function pack(config: TrackConfig, segments: ReadonlyMap<number, Frame[]>): Uint8Array {
  const pieces: Uint8Array[] = [initSegment(config)];
  for (const [sequence, frames] of segments) {
    const packager = new SegmentPackager({ config, sequence });
    for (const frame of frames) pieces.push(packager.push(frame)?.bytes ?? new Uint8Array(0));
    pieces.push(packager.finish()?.bytes ?? new Uint8Array(0));
  }
  return concatBytes(pieces);
}

/** Packets without times: the ffmpeg program does not copy them into FLV. */
const uncopyable = ["missing-dts.ts", "skip_1.ts"];

describe("rtmp with real inputs", function () {
  this.timeout(60_000);
  let server: RtmpServer | undefined;
  afterEach(() => server?.stop());

  async function publish(path: string): Promise<Intake> {
    const intake = new Intake();
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
      const { checksums } = await decodeFrames(pack(intake.configs.get("video")!, intake.segments));
      const wanted = await decodeFrames(path, ["-map", "0:v:0"]);
      assert.deepEqual(checksums, wanted.checksums);
      const audio = intake.configs.get("audio");
      if (audio === undefined) return;
      const heard = [...intake.heard.values()].flat();
      assert.ok(heard.length > 0);
      const { complaints } = await decodeFrames(pack(audio, intake.heard));
      assert.equal(complaints, "");
    });
  }
});
