import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";
import type { LiveSink } from "../../engine.ts";
import { isCoded } from "../../errors.ts";
import { livePreset } from "../../presets.ts";
import type { EncoderReport, ProbeSpec } from "../../probe.ts";
import { assertProgram } from "./program.ts";
import { FfmpegRung } from "./rung.ts";

const TICKS_PER_FRAME = 3000;

/** Encodes moving pictures with the live settings of each codec, and counts what came out. */
export async function measureEncoders(spec: ProbeSpec): Promise<EncoderReport[]> {
  await assertProgram("ffmpeg");
  const reports: EncoderReport[] = [];
  for (const codec of spec.codecs) reports.push(await measureEncoder(codec, spec));
  return reports;
}

async function measureEncoder(codec: VideoCodec, spec: ProbeSpec): Promise<EncoderReport> {
  const { width, height } = spec;
  const encoder = livePreset(codec, 1)?.encoder ?? codec;
  const target = { name: "probe", codec, width, height, videoBitrate: 1_000_000, audioBitrate: 64_000 };
  let frames = 0;
  const sink: LiveSink = {
    config() {},
    frame(_index, _sequence, frame) {
      if (frame.data.byteLength > 0) frames += 1;
    },
    segmentEnd() {},
  };
  const started = performance.now();
  try {
    const rung = new FfmpegRung(0, target, 30, sink);
    for (let index = 0; index < spec.frames; index += 1) {
      const pts = index * TICKS_PER_FRAME;
      const times = { epoch: 0, pts, duration: TICKS_PER_FRAME, arrivalMs: 0, sequence: 0, captions: [] };
      const picture = paint(index, width, height);
      await rung.encode({ ...times, picture }, 0, picture);
    }
    await rung.end();
  } catch (error) {
    if (!isCoded(error)) throw error;
    return { codec, encoder, works: false, pixelsPerSecond: 0, reason: error.message };
  }
  if (frames !== spec.frames) {
    return { codec, encoder, works: false, pixelsPerSecond: 0, reason: `${frames} of ${spec.frames} frames came out` };
  }
  const seconds = (performance.now() - started) / 1000;
  return { codec, encoder, works: true, pixelsPerSecond: Math.round((width * height * frames) / seconds) };
}

function paint(index: number, width: number, height: number): Buffer {
  const picture = Buffer.alloc((width * height * 3) / 2, 128);
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 8) {
      const shade = 32 + (((column + index * 8) ^ (row + index * 3)) & 0x7f);
      picture.fill(shade, row * width + column, row * width + Math.min(column + 8, width));
    }
  }
  return picture;
}
