import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { AV_FRAME_DATA_A53_CC, AV_PICTURE_TYPE_I, AV_PICTURE_TYPE_NONE } from "node-av/constants";
import type { Frame as Picture } from "node-av/lib";
import { Packet } from "node-av/lib";
import { describeAudio, toFrame } from "../audio-packet.ts";
import { annexBToFrame, avcCodecString, buildAvcC, splitAnnexB } from "../bitstream/h264.ts";
import { GroupEncoder } from "../engines/node-av/audio-group.ts";
import { openVideoEncoder } from "../engines/node-av/codec.ts";
import { newPicture } from "../engines/node-av/scaler.ts";
import { AUDIO_SAMPLE_RATE } from "../presets.ts";
import { bandRows, paintBarcode } from "./barcode.ts";
import type { MediaItem, PatternOptions } from "./media-item.ts";

const TONE_HZ = 440;
const AUDIO_BITRATE = 96_000;
const CHANNELS = 2;
const FLASH_S = 0.1;
const WHITE = 235;

/** Encodes the pattern as it is asked for. Native code: in forked processes only. */
export function* openPatternSource(options: PatternOptions): Generator<MediaItem> {
  const audio =
    options.audio === false ? undefined : new GroupEncoder({ codec: "aac", bitrate: AUDIO_BITRATE }, CHANNELS);
  // The first audio packet stands at the clock's start, so what the encoder warms up with falls before it.
  audio?.moveTo({ epoch: 0, pts: 0 });
  const frames = Math.round(options.durationS * options.fps);
  let samples = 0;
  let isAudioAnnounced = false;
  /** When the first picture shows: decoding starts before it. */
  let shownAt: number | undefined;
  for (const item of encodePictures(options, frames)) {
    yield item;
    if (!audio || item.type === "config") continue;
    shownAt ??= Math.round((item.frame.pts * AUDIO_SAMPLE_RATE) / VIDEO_TIMESCALE);
    const until = Math.round(((item.frame.dts + item.frame.duration) * AUDIO_SAMPLE_RATE) / VIDEO_TIMESCALE);
    const packets = audio.write(tone(samples, Math.max(0, until - samples), shownAt, options.flashEveryS));
    samples = Math.max(samples, until);
    if (!isAudioAnnounced) yield { type: "config", config: describeAudio("aac", CHANNELS, audio.extradata) };
    isAudioAnnounced = true;
    for (const packet of packets) yield { type: "frame", frame: toFrame(packet, 0) };
  }
  for (const packet of audio?.end() ?? []) yield { type: "frame", frame: toFrame(packet, 0) };
  audio?.close();
}

function* encodePictures(options: PatternOptions, frames: number): Generator<MediaItem> {
  const { width, height, fps } = options;
  const bitrate = options.videoBitrate ?? 1_500_000;
  const bFrames = options.bFrames ?? 2;
  const gop = Math.max(1, Math.round((options.keyframeEveryS ?? 2) * fps));
  const preset = {
    encoder: "libx264",
    options: {
      preset: "ultrafast",
      profile: "high",
      "forced-idr": "1",
      "x264-params": `bframes=${bFrames}:cabac=1:8x8dct=1:scenecut=0`,
    },
    maxrate: bitrate * 2,
    bufsize: bitrate * 2,
  };
  const ticks = (index: number) => Math.round((index * VIDEO_TIMESCALE) / fps);
  const encoder = openVideoEncoder({
    codec: "h264",
    preset,
    width,
    height,
    bitrate,
    fps: { num: Math.round(fps * 1000), den: 1000 },
    timeBase: { num: 1, den: VIDEO_TIMESCALE },
    gop: gop * 2,
    threads: 1,
  });
  const avcC = buildAvcC(splitAnnexB(encoder.extraData ?? new Uint8Array()));
  const shape = { kind: "video", codec: "h264", timescale: VIDEO_TIMESCALE, width, height } as const;
  yield { type: "config", config: { ...shape, description: avcC, codecString: avcCodecString(avcC) } };
  const packet = new Packet();
  packet.alloc();
  const picture = newPicture(width, height);
  // Decoding starts as much before the first picture as encoders with B-frames need; the clock starts there.
  let shift: number | undefined;
  let count = 0;
  function* receive(): Generator<MediaItem> {
    while (encoder.receivePacketSync(packet) >= 0) {
      shift ??= -Number(packet.dts);
      const dts = Number(packet.dts) + shift;
      const pts = Number(packet.pts) + shift;
      const duration = ticks(count + 1) - ticks(count);
      count += 1;
      const data = annexBToFrame(packet.data ?? new Uint8Array());
      const times = { epoch: 0, dts, pts, duration };
      const frame = { kind: "video", ...times, key: packet.isKeyframe, configVersion: 1, arrivalMs: 0, data } as const;
      packet.unref();
      yield { type: "frame", frame };
    }
  }
  const painter = new Painter(width, height);
  for (let index = 0; index < frames; index += 1) {
    picture.makeWritable();
    painter.paint(picture, index, (options.firstNumber ?? 0) + index);
    if (isFlash(index / options.fps, options.flashEveryS)) painter.whiten(picture);
    if (options.captions === true) writeCaption(picture, (options.firstNumber ?? 0) + index);
    picture.pts = BigInt(ticks(index));
    picture.pictType = index % gop === 0 ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    encoder.sendFrameSync(picture);
    yield* receive();
  }
  encoder.sendFrameSync(null);
  yield* receive();
  encoder.freeContext();
  packet.free();
  picture.free();
}

/** Diagonal waves that travel, cheap to paint: each row is a shifted copy of one line. */
class Painter {
  readonly #width: number;
  readonly #height: number;
  readonly #line: Uint8Array;

  constructor(width: number, height: number) {
    this.#width = width;
    this.#height = height;
    this.#line = Uint8Array.from({ length: width + 256 }, (_, x) =>
      Math.round(126 + 90 * Math.sin((x * Math.PI) / 64)),
    );
  }

  paint(picture: Picture, index: number, number: number): void {
    const [luma, first, second] = picture.data ?? [];
    const [stride = 0, chromaStride = 0] = picture.linesize;
    if (!luma || !first || !second) return;
    for (let row = bandRows(this.#height); row < this.#height; row += 1) {
      luma.set(this.#line.subarray((row + index * 3) % 128, ((row + index * 3) % 128) + this.#width), row * stride);
    }
    const chromaWidth = this.#width >> 1;
    for (let row = 0; row < this.#height >> 1; row += 1) {
      const from = (row + index) % 128;
      first.set(this.#line.subarray(from, from + chromaWidth), row * chromaStride);
      second.fill(96 + ((index + (row >> 4) * 8) % 64), row * chromaStride, row * chromaStride + chromaWidth);
    }
    const band = bandRows(this.#height) >> 1;
    first.fill(128, 0, band * chromaStride);
    second.fill(128, 0, band * chromaStride);
    paintBarcode(luma, stride, this.#width, this.#height, number);
  }

  /** All but the barcode. */
  whiten(picture: Picture): void {
    const [stride = 0] = picture.linesize;
    picture.data?.[0]?.fill(WHITE, bandRows(this.#height) * stride, this.#height * stride);
  }
}

/** A valid construct of the first field, then two bytes of seven bits. */
function writeCaption(picture: Picture, number: number): void {
  picture.removeSideData(AV_FRAME_DATA_A53_CC);
  picture.newSideData(AV_FRAME_DATA_A53_CC, 3).set([0xfc, (number >> 7) & 0x7f, number & 0x7f]);
}

/** None at the very beginning, where encoders and players warm up. */
function isFlash(atS: number, everyS: number | undefined): boolean {
  return everyS !== undefined && atS >= everyS && atS % everyS < FLASH_S;
}

/** `shownAt`: the sample with which the pictures begin. */
function tone(from: number, count: number, shownAt: number, flashEveryS: number | undefined): Float32Array[] {
  const plane = Float32Array.from({ length: count }, (_, index) => {
    const atS = (from + index - shownAt) / AUDIO_SAMPLE_RATE;
    if (flashEveryS !== undefined && !isFlash(atS, flashEveryS)) return 0;
    return 0.25 * Math.sin((2 * Math.PI * TONE_HZ * (from + index)) / AUDIO_SAMPLE_RATE);
  });
  return Array.from({ length: CHANNELS }, () => plane);
}
