import type { Frame } from "@leat/sdk/protocol/frame.ts";
import type { KnownEncoder } from "../../encoders.ts";
import type { LiveSink } from "../../engine.ts";
import { isCoded } from "../../errors.ts";
import type { EncoderReport, ProbeSpec } from "../../probe.ts";
import { judgeProbe, PROBE_TICKS, probeSequence } from "../probe-verdict.ts";
import { assertProgram } from "./program.ts";
import { FfmpegRung } from "./rung.ts";

/** Encodes moving pictures with the live settings of each codec, and counts what came out. */
export async function measureEncoders(spec: ProbeSpec, onReport: (report: EncoderReport) => void): Promise<void> {
  await assertProgram("ffmpeg");
  for (const known of spec.encoders) onReport(await measureEncoder(known, spec));
}

async function measureEncoder({ codec, encoder }: KnownEncoder, spec: ProbeSpec): Promise<EncoderReport> {
  const { width, height } = spec;
  const target = { name: "probe", codec, width, height, videoBitrate: 1_000_000, audioBitrate: 64_000 };
  const frames: Frame[] = [];
  const sink: LiveSink = {
    config() {},
    frame: (_index, _sequence, frame) => frames.push(frame),
    segmentEnd() {},
  };
  const started = performance.now();
  try {
    const rung = new FfmpegRung(0, target, 30, sink);
    for (let index = 0; index < spec.frames; index += 1) {
      const sequence = probeSequence(index, spec.frames);
      const times = { epoch: 0, pts: index * PROBE_TICKS, duration: PROBE_TICKS, arrivalMs: 0, sequence, captions: [] };
      const picture = paint(index, width, height);
      await rung.encode({ ...times, picture }, sequence, picture);
    }
    await rung.end();
  } catch (error) {
    if (!isCoded(error)) throw error;
    return { codec, encoder, works: false, pixelsPerSecond: 0, reason: error.message };
  }
  return judgeProbe({ codec, encoder }, spec, frames, {
    decoded: undefined,
    timed: spec.frames,
    seconds: (performance.now() - started) / 1000,
  });
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
