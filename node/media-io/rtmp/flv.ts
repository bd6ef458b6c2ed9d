import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { MAX_CONFIG_BYTES, MAX_FRAME_BYTES } from "@leat/sdk/protocol/limits.ts";
import type { PublishedAudio, PublishedVideo } from "@leat/sdk/protocol/published.ts";
import { type AudioReader, audioReaders } from "./audio-readers.ts";
import { audioPackets, type EnhancedPacket, readEnhanced, videoPackets } from "./enhanced.ts";
import { RtmpError } from "./errors.ts";
import { type VideoReader, videoReaders } from "./video-readers.ts";

export type FlvItem =
  | { readonly type: "config"; readonly config: TrackConfig }
  | { readonly type: "video"; readonly sample: PublishedVideo }
  | { readonly type: "audio"; readonly sample: PublishedAudio };

/** What FLV numbered; 12 it never did, but encoders that send HEVC so are older than the four letters. */
const numberedVideo: Readonly<Record<number, string>> = { 7: "avc1", 12: "hvc1" };
const AAC = 10;
/** In the place of a codec: its four letters follow. */
const ENHANCED_VIDEO = 0x80;
const ENHANCED_AUDIO = 9;
const COMMAND_FRAME = 5;
const NANOS_PER_MS = 1_000_000;
const audioNames: Readonly<Record<number, string>> = {
  0: "pcm",
  1: "adpcm",
  2: "mp3",
  3: "pcm",
  7: "alaw",
  8: "mulaw",
  11: "speex",
};

/** Takes the bodies of RTMP audio and video messages apart. One for a publish: it remembers the last configurations. */
export class FlvDemuxer {
  readonly #onIgnoredTrack: (kind: "video" | "audio", trackId: number) => void;
  readonly #ignoring = new Set<"video" | "audio">();
  #video: { readonly fourCc: string; readonly reader: VideoReader } | undefined;
  #audio: { readonly fourCc: string; readonly reader: AudioReader } | undefined;
  #malformed = 0;

  /** `onIgnoredTrack` is told once for each kind: of a multitrack publish only track 0 is taken. */
  constructor(onIgnoredTrack: (kind: "video" | "audio", trackId: number) => void = () => {}) {
    this.#onIgnoredTrack = onIgnoredTrack;
  }

  /** Messages and frames that could not be read: they are left out. */
  get malformed(): number {
    return this.#malformed;
  }

  video(timestamp: number, body: Uint8Array): FlvItem[] {
    const head = body[0];
    if (head === undefined) return [];
    if ((head & ENHANCED_VIDEO) !== 0) {
      const packet = this.#enhanced("video", body);
      return packet === undefined ? [] : this.#enhancedVideo(timestamp, packet);
    }
    if (head >> 4 === COMMAND_FRAME) return [];
    const fourCc = numberedVideo[head & 0x0f];
    if (fourCc === undefined) throw unsupported("video", `flv codec ${head & 0x0f}`);
    if (body.length < 5) return [];
    if (body[1] === 0) return this.#videoConfig(fourCc, body.subarray(5));
    return body[1] === 1 ? this.#picture(fourCc, timestamp, readSigned24(body, 2), body.subarray(5)) : [];
  }

  audio(timestamp: number, body: Uint8Array): FlvItem[] {
    const head = body[0];
    if (head === undefined) return [];
    const format = head >> 4;
    if (format === ENHANCED_AUDIO) {
      const packet = this.#enhanced("audio", body);
      return packet === undefined ? [] : this.#enhancedAudio(timestamp, packet);
    }
    if (format !== AAC) throw unsupported("audio", audioNames[format] ?? `flv codec ${format}`);
    if (body.length < 3) return [];
    if (body[1] === 0) return this.#audioConfig("mp4a", body.subarray(2));
    return body[1] === 1 ? this.#sound("mp4a", timestamp, body.subarray(2)) : [];
  }

  #enhanced(kind: "video" | "audio", body: Uint8Array): EnhancedPacket | undefined {
    const message = readEnhanced(kind, body);
    if (message === undefined) this.#malformed += 1;
    if (message?.ignoredTrack !== undefined && !this.#ignoring.has(kind)) {
      this.#ignoring.add(kind);
      this.#onIgnoredTrack(kind, message.ignoredTrack);
    }
    return message?.packet;
  }

  #enhancedVideo(timestamp: number, { fourCc, type, nanos, data }: EnhancedPacket): FlvItem[] {
    if (!Object.hasOwn(videoReaders, fourCc)) throw unsupported("video", fourCc);
    const timeMs = timestamp + nanos / NANOS_PER_MS;
    switch (type) {
      case videoPackets.sequenceStart:
        return this.#videoConfig(fourCc, data);
      case videoPackets.mpeg2TsSequenceStart:
        throw unsupported("video", `${fourCc} in MPEG-2 TS`);
      case videoPackets.codedFrames: {
        if (this.#video?.reader.reorders !== true) return this.#picture(fourCc, timeMs, 0, data);
        return data.length < 3 ? [] : this.#picture(fourCc, timeMs, readSigned24(data, 0), data.subarray(3));
      }
      case videoPackets.codedFramesX:
        return this.#picture(fourCc, timeMs, 0, data);
      default:
        // Metadata says nothing that the bitstream does not say better; the end of a sequence is seen by what follows.
        return [];
    }
  }

  #enhancedAudio(timestamp: number, { fourCc, type, nanos, data }: EnhancedPacket): FlvItem[] {
    if (!Object.hasOwn(audioReaders, fourCc)) throw unsupported("audio", fourCc);
    if (type === audioPackets.sequenceStart) return this.#audioConfig(fourCc, data);
    return type === audioPackets.codedFrames ? this.#sound(fourCc, timestamp + nanos / NANOS_PER_MS, data) : [];
  }

  #videoConfig(fourCc: string, record: Uint8Array): FlvItem[] {
    const reader = this.#video?.fourCc === fourCc ? this.#video.reader : videoReaders[fourCc]!();
    const config = reader.configure(bounded(record, MAX_CONFIG_BYTES));
    this.#video = { fourCc, reader };
    return config === undefined ? [] : [{ type: "config", config }];
  }

  #audioConfig(fourCc: string, record: Uint8Array): FlvItem[] {
    const reader = audioReaders[fourCc]!;
    const config = reader.configure(bounded(record, MAX_CONFIG_BYTES));
    this.#audio = { fourCc, reader };
    return [{ type: "config", config }];
  }

  /** Frames of another codec than the configured one cannot be decoded: they are left out, as is what comes before it. */
  #picture(fourCc: string, dtsMs: number, ctsMs: number, data: Uint8Array): FlvItem[] {
    if (this.#video?.fourCc !== fourCc) return [];
    try {
      const picture = this.#video.reader.read(data);
      if (picture === undefined) return [];
      const { config, key } = picture;
      bounded(picture.data, MAX_FRAME_BYTES);
      const sample: FlvItem = { type: "video", sample: { dtsMs, ctsMs, key, data: picture.data } };
      if (config === undefined) return [sample];
      bounded(config.description, MAX_CONFIG_BYTES);
      return [{ type: "config", config }, sample];
    } catch (error) {
      if (!(error instanceof BitstreamError)) throw error;
      this.#malformed += 1;
      return [];
    }
  }

  #sound(fourCc: string, dtsMs: number, data: Uint8Array): FlvItem[] {
    if (this.#audio?.fourCc !== fourCc) return [];
    if (this.#audio.reader.isPacket(data)) {
      return [{ type: "audio", sample: { dtsMs, data: bounded(data, MAX_FRAME_BYTES) } }];
    }
    this.#malformed += 1;
    return [];
  }
}

/** What is larger no other node would take: the publisher is told, and not every node after it. */
function bounded(bytes: Uint8Array, limit: typeof MAX_CONFIG_BYTES | typeof MAX_FRAME_BYTES): Uint8Array {
  if (bytes.length <= limit) return bytes;
  const code = limit === MAX_CONFIG_BYTES ? "RTMP_CONFIG_TOO_LARGE" : "RTMP_FRAME_TOO_LARGE";
  throw new RtmpError({ code, sizeBytes: bytes.length, limit });
}

function readSigned24(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8)) >> 8;
}

function unsupported(kind: "video" | "audio", found: string): RtmpError {
  return new RtmpError({ code: "RTMP_CODEC_UNSUPPORTED", kind, found });
}
