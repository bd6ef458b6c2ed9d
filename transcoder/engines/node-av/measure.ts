import type { VideoCodec } from "@leat/sdk/protocol/frame.ts";
import type { LiveSink } from "../../engine.ts";
import { isCoded } from "../../errors.ts";
import { livePreset } from "../../presets.ts";
import type { EncoderReport, ProbeSpec } from "../../probe.ts";
import { LiveRung } from "./rung.ts";
import { newPicture } from "./scaler.ts";

const TICKS_PER_FRAME = 3000;

/** Encodes moving pictures with the live settings of each codec, and counts what came out. */
export function measureEncoders(spec: ProbeSpec): EncoderReport[] {
  return spec.codecs.map((codec) => measureEncoder(codec, spec));
}

function measureEncoder(codec: VideoCodec, spec: ProbeSpec): EncoderReport {
  const { width, height } = spec;
  const encoder = livePreset(codec, 1)?.encoder ?? codec;
  let frames = 0;
  const sink: LiveSink = {
    config() {},
    frame(_index, _sequence, frame) {
      if (frame.data.byteLength > 0) frames += 1;
    },
    segmentEnd() {},
  };
  const rung = new LiveRung(
    0,
    { name: "probe", codec, width, height, videoBitrate: 1_000_000, audioBitrate: 64_000 },
    30,
    sink,
  );
  const started = performance.now();
  try {
    for (let index = 0; index < spec.frames; index += 1) encodeOne(rung, index, width, height);
    rung.end();
  } catch (error) {
    if (!isCoded(error)) throw error;
    return { codec, encoder, works: false, pixelsPerSecond: 0, reason: error.message };
  } finally {
    rung.close();
  }
  if (frames !== spec.frames) {
    return { codec, encoder, works: false, pixelsPerSecond: 0, reason: `${frames} of ${spec.frames} frames came out` };
  }
  const seconds = (performance.now() - started) / 1000;
  return { codec, encoder, works: true, pixelsPerSecond: Math.round((width * height * frames) / seconds) };
}

function encodeOne(rung: LiveRung, index: number, width: number, height: number): void {
  const picture = newPicture(width, height);
  const [luma, first, second] = picture.data ?? [];
  const stride = picture.linesize[0] ?? width;
  for (let row = 0; luma && row < height; row += 1) {
    for (let column = 0; column < width; column += 8) {
      const shade = 32 + (((column + index * 8) ^ (row + index * 3)) & 0x7f);
      luma.fill(shade, row * stride + column, row * stride + Math.min(column + 8, width));
    }
  }
  first?.fill(128);
  second?.fill(128);
  const pts = index * TICKS_PER_FRAME;
  const times = { epoch: 0, pts, duration: TICKS_PER_FRAME, arrivalMs: 0, sequence: 0, captions: [], picture };
  rung.encode({ ...times, encoderPts: pts });
  picture.free();
}
