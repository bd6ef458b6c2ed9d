import type { Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { AV_CODEC_ID_AAC, AV_CODEC_ID_H264, AVMEDIA_TYPE_VIDEO } from "node-av/constants";
import type { Stream } from "node-av/lib";
import { FormatContext, Packet } from "node-av/lib";
import { AAC_FRAME_SAMPLES, readAdts, readAudioSpecificConfig } from "../bitstream/aac.ts";
import {
  avcCodecString,
  buildAvcC,
  joinLengthPrefixed,
  nalType,
  readAvcC,
  splitAnnexB,
  splitLengthPrefixed,
} from "../bitstream/h264.ts";
import { describeFault } from "../engines/node-av/codec.ts";
import { TranscodeError } from "../errors.ts";
import type { MediaItem } from "./media-item.ts";

const NAL_SPS = 7;
const NAL_PPS = 8;
const NAL_DELIMITER = 9;
/** FFmpeg's "no timestamp" is the lowest 64-bit number. */
const NO_TIMESTAMP = -(2n ** 63n);

/** Reads H.264 and AAC out of a file without touching the pictures. Native code: in forked processes only. */
export function* openFileSource(path: string): Generator<MediaItem> {
  const format = new FormatContext();
  const opened = format.openInputSync(path);
  if (opened < 0) throw unreadable(path, describeFault(opened));
  const packet = new Packet();
  packet.alloc();
  try {
    format.findStreamInfoSync();
    const streams = format.streams;
    const video = streams[format.findBestStream(AVMEDIA_TYPE_VIDEO)];
    if (!video) throw new TranscodeError({ code: "TRANSCODE_INPUT_NO_VIDEO", input: path });
    if (video.codecpar.codecId !== AV_CODEC_ID_H264) throw unreadable(path, "its video is not H.264");
    const audio = streams.find((stream) => stream.codecpar.codecId === AV_CODEC_ID_AAC);
    const videoTrack = new VideoTrack(video);
    const audioTrack = audio && new AudioTrack(audio);
    while (format.readFrameSync(packet) >= 0) {
      if (packet.streamIndex === video.index) yield* videoTrack.read(packet);
      else if (audio && packet.streamIndex === audio.index) yield* audioTrack!.read(packet);
      packet.unref();
    }
  } finally {
    packet.free();
    format.closeInputSync();
  }
}

/** Times on the track's own scale, always known and always rising for decoding. */
class TrackClock {
  readonly #scale: number;
  #last = -Infinity;
  #lastDuration = 0;
  #shown = new Set<number>();

  constructor(stream: Stream, timescale: number) {
    this.#scale = (timescale * stream.timeBase.num) / stream.timeBase.den;
  }

  read(packet: Packet, defaultDuration: number): { dts: number; pts: number; duration: number } {
    const ticks = (value: bigint) => (value === NO_TIMESTAMP ? undefined : Math.round(Number(value) * this.#scale));
    const duration = ticks(packet.duration) || defaultDuration;
    const given = ticks(packet.dts) ?? (this.#last === -Infinity ? ticks(packet.pts) : undefined);
    const dts = Math.max(given ?? this.#last + this.#lastDuration, this.#last + 1, Number.MIN_SAFE_INTEGER);
    let pts = ticks(packet.pts) ?? dts;
    while (this.#shown.has(pts)) pts += 1;
    this.#shown.add(pts);
    if (this.#shown.size > 64) this.#shown.delete(this.#shown.values().next().value!);
    this.#last = dts;
    this.#lastDuration = duration;
    return { dts, pts, duration };
  }
}

class VideoTrack {
  readonly #clock: TrackClock;
  readonly #size: { width: number; height: number };
  readonly #defaultDuration: number;
  readonly #isAnnexB: boolean;
  #avcC: Uint8Array | undefined;
  #announced = false;

  constructor(stream: Stream) {
    this.#clock = new TrackClock(stream, VIDEO_TIMESCALE);
    const { codecpar, avgFrameRate } = stream;
    this.#size = { width: codecpar.width, height: codecpar.height };
    this.#defaultDuration =
      avgFrameRate.num > 0 ? Math.round((VIDEO_TIMESCALE * avgFrameRate.den) / avgFrameRate.num) : 3000;
    const extradata = codecpar.extradata;
    this.#isAnnexB = extradata?.[0] !== 1;
    if (extradata && !this.#isAnnexB) this.#avcC = Uint8Array.from(extradata);
    else if (extradata) this.#adopt(splitAnnexB(extradata));
  }

  *read(packet: Packet): Generator<MediaItem> {
    const data = Buffer.from(packet.data ?? new Uint8Array());
    const units = this.#isAnnexB ? splitAnnexB(data) : splitLengthPrefixed(data);
    const times = this.#clock.read(packet, this.#defaultDuration);
    if (this.#adopt(units) || !this.#announced) {
      if (!this.#avcC) return;
      this.#announced = true;
      yield { type: "config", config: this.#describe(this.#avcC) };
    }
    const pictures = units.filter((unit) => ![NAL_SPS, NAL_PPS, NAL_DELIMITER].includes(nalType(unit)));
    yield { type: "frame", frame: makeFrame("video", times, packet.isKeyframe, joinLengthPrefixed(pictures)) };
  }

  /** Takes parameter sets that stand in the stream; true where they differ from those that were announced. */
  #adopt(units: readonly Uint8Array[]): boolean {
    const sets = units.filter((unit) => nalType(unit) === NAL_SPS);
    const pictureSets = units.filter((unit) => nalType(unit) === NAL_PPS);
    if (sets.length === 0 && pictureSets.length === 0) return false;
    const held = this.#avcC ? readAvcC(this.#avcC) : [];
    const avcC = buildAvcC([
      ...(sets.length > 0 ? sets : held.filter((unit) => nalType(unit) === NAL_SPS)),
      ...(pictureSets.length > 0 ? pictureSets : held.filter((unit) => nalType(unit) === NAL_PPS)),
    ]);
    const changed = !this.#avcC || Buffer.compare(avcC, this.#avcC) !== 0;
    this.#avcC = avcC;
    return changed;
  }

  #describe(description: Uint8Array): TrackConfig {
    const codecString = avcCodecString(description);
    return { kind: "video", codec: "h264", timescale: VIDEO_TIMESCALE, ...this.#size, description, codecString };
  }
}

class AudioTrack {
  readonly #stream: Stream;
  #config: TrackConfig | undefined;
  #clock: TrackClock | undefined;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  *read(packet: Packet): Generator<MediaItem> {
    const bytes = Buffer.from(packet.data ?? new Uint8Array());
    const adts = readAdts(bytes);
    const config = adts?.config ?? readAudioSpecificConfig(this.#stream.codecpar.extradata ?? new Uint8Array());
    if (!config) return;
    if (!this.#config || Buffer.compare(this.#config.description, config.description) !== 0) {
      this.#config = config;
      this.#clock = new TrackClock(this.#stream, config.timescale);
      yield { type: "config", config };
    }
    const times = this.#clock!.read(packet, AAC_FRAME_SAMPLES);
    yield { type: "frame", frame: makeFrame("audio", { ...times, pts: times.dts }, true, adts?.data ?? bytes) };
  }
}

function makeFrame(
  kind: Frame["kind"],
  times: { dts: number; pts: number; duration: number },
  key: boolean,
  data: Uint8Array,
): Frame {
  return { kind, epoch: 0, ...times, key, configVersion: 1, arrivalMs: 0, data };
}

function unreadable(input: string, reason: string): TranscodeError {
  return new TranscodeError({ code: "TRANSCODE_INPUT_UNREADABLE", input, reason });
}
