import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { Packet, Frame as Picture } from "node-av/lib";
import type { KnownEncoder } from "../../encoders.ts";
import type { LiveSink } from "../../engine.ts";
import { isCoded } from "../../errors.ts";
import type { EncoderReport, ProbeSpec } from "../../probe.ts";
import { encodingSeconds, judgeProbe, PROBE_TICKS, probeSequence } from "../probe-verdict.ts";
import { openVideoDecoder } from "./codec.ts";
import { LiveRung } from "./rung.ts";
import { newPicture } from "./scaler.ts";

/** Encodes moving pictures with the live settings of each encoder, and looks at what came out. */
export function measureEncoders(spec: ProbeSpec, onReport: (report: EncoderReport) => void): void {
  for (const known of spec.encoders) onReport(measureEncoder(known, spec));
}

function measureEncoder(known: KnownEncoder, spec: ProbeSpec): EncoderReport {
  const { codec, encoder } = known;
  try {
    const { config, frames, seconds } = encodePattern(known, spec);
    const decoded = config === undefined ? 0 : countDecoded(config, frames);
    return judgeProbe(known, spec, frames, { decoded, seconds, timed: spec.frames - 1 });
  } catch (error) {
    if (!isCoded(error)) throw error;
    return { codec, encoder, works: false, pixelsPerSecond: 0, reason: error.message };
  }
}

export interface EncodedPattern {
  readonly config: VideoConfig | undefined;
  readonly frames: readonly Frame[];
  /** What all but the first took. */
  readonly seconds: number;
}

/** A probe's pictures by one encoder. @throws TranscodeError where it does not work */
export function encodePattern(
  { codec, encoder }: Pick<KnownEncoder, "codec" | "encoder">,
  spec: Pick<ProbeSpec, "width" | "height" | "frames">,
): EncodedPattern {
  const { width, height } = spec;
  const frames: Frame[] = [];
  let config: VideoConfig | undefined;
  const sink: LiveSink = {
    config: (_index, _version, found) => {
      config = found;
    },
    frame: (_index, _sequence, frame) => frames.push(frame),
    segmentEnd() {},
  };
  const target = { name: "probe", codec, width, height, videoBitrate: 1_000_000, audioBitrate: 64_000 };
  let rung: LiveRung | undefined;
  try {
    rung = new LiveRung(0, target, 30, sink, { encoder, mayFallBack: false });
    const pictures = Array.from({ length: spec.frames }, (_, index) => paint(index, spec));
    let started = 0;
    let before = process.cpuUsage();
    for (const [index, picture] of pictures.entries()) {
      // The first opens the encoder, which takes a chip long and happens once a job.
      if (index === 1) [started, before] = [performance.now(), process.cpuUsage()];
      encodeOne(rung, index, picture, spec.frames);
      picture.free();
    }
    rung.end();
    const { user, system } = process.cpuUsage(before);
    const passed = (performance.now() - started) / 1000;
    return { config, frames, seconds: encodingSeconds(encoder, passed, (user + system) / 1_000_000) };
  } finally {
    rung?.close();
  }
}

function paint(index: number, { width, height }: Pick<ProbeSpec, "width" | "height">): Picture {
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
  return picture;
}

function encodeOne(rung: LiveRung, index: number, picture: Picture, frames: number): void {
  const pts = index * PROBE_TICKS;
  const times = { epoch: 0, pts, duration: PROBE_TICKS, arrivalMs: 0, sequence: probeSequence(index, frames) };
  rung.encode({ ...times, captions: [], picture, encoderPts: pts });
}

/** Pictures of the right size that a decoder which knows nothing of the encoder makes of it. */
export function countDecoded(config: VideoConfig, frames: readonly Frame[]): number {
  const decoder = openVideoDecoder(config, 0);
  const packet = new Packet();
  packet.alloc();
  const picture = new Picture();
  picture.alloc();
  let count = 0;
  const receive = () => {
    while (decoder.receiveFrameSync(picture) >= 0) {
      if (picture.width === config.width && picture.height === config.height) count += 1;
      picture.unref();
    }
  };
  try {
    for (const { data, pts, key } of frames) {
      packet.data = Buffer.from(data);
      packet.pts = BigInt(pts);
      packet.dts = BigInt(pts);
      packet.isKeyframe = key;
      decoder.sendPacketSync(packet);
      packet.unref();
      receive();
    }
    decoder.sendPacketSync(null);
    receive();
    return count;
  } finally {
    decoder.freeContext();
    packet.free();
    picture.free();
  }
}
