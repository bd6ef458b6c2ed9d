import { parseAudioSpecificConfig } from "@leat/node/media/bitstream/aac.ts";
import { BitstreamError } from "@leat/node/media/bitstream/bit-reader.ts";
import { hasIdr, joinNals, parseAvcConfiguration, splitNals } from "@leat/node/media/bitstream/h264.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { PublishedAudio, PublishedVideo } from "../publish-sink.ts";
import { RtmpError } from "./errors.ts";

export type FlvItem =
  | { readonly type: "config"; readonly config: TrackConfig }
  | { readonly type: "video"; readonly sample: PublishedVideo }
  | { readonly type: "audio"; readonly sample: PublishedAudio };

const AVC = 7;
const AAC = 10;
const EXTENDED_AUDIO = 9;
const COMMAND_FRAME = 5;
const audioNames: Readonly<Record<number, string>> = {
  0: "pcm",
  1: "adpcm",
  2: "mp3",
  3: "pcm",
  7: "alaw",
  8: "mulaw",
  11: "speex",
};

/** Takes the bodies of RTMP audio and video messages apart. One for a publish: it remembers the last configuration. */
export class FlvDemuxer {
  #lengthSize: number | undefined;
  #hasAudio = false;
  #malformed = 0;

  /** Frames whose NAL lengths were wrong: they are left out. */
  get malformed(): number {
    return this.#malformed;
  }

  video(timestamp: number, body: Uint8Array): FlvItem | undefined {
    const head = body[0];
    if (head === undefined) return undefined;
    // Enhanced RTMP: the four letters of the codec follow.
    if ((head & 0x80) !== 0) throw unsupported("video", printable(body.subarray(1, 5)));
    if (head >> 4 === COMMAND_FRAME) return undefined;
    if ((head & 0x0f) !== AVC) throw unsupported("video", `flv codec ${head & 0x0f}`);
    if (body.length < 5) return undefined;
    const data = body.subarray(5);
    if (body[1] === 0) return { type: "config", config: this.#videoConfig(data) };
    if (body[1] !== 1 || this.#lengthSize === undefined || data.length === 0) return undefined;
    const nals = this.#nals(data, this.#lengthSize);
    if (nals === undefined || nals.length === 0) return undefined;
    // Signed 24 bits.
    const ctsMs = ((body[2]! << 24) | (body[3]! << 16) | (body[4]! << 8)) >> 8;
    const frame = this.#lengthSize === 4 ? data : joinNals(nals);
    return { type: "video", sample: { dtsMs: timestamp, ctsMs, key: hasIdr(nals), data: frame } };
  }

  audio(timestamp: number, body: Uint8Array): FlvItem | undefined {
    const head = body[0];
    if (head === undefined) return undefined;
    const format = head >> 4;
    if (format === EXTENDED_AUDIO) throw unsupported("audio", printable(body.subarray(1, 5)));
    if (format !== AAC) throw unsupported("audio", audioNames[format] ?? `flv codec ${format}`);
    if (body.length < 3) return undefined;
    const data = body.subarray(2);
    if (body[1] === 0) return { type: "config", config: this.#audioConfig(data) };
    if (body[1] !== 1 || !this.#hasAudio) return undefined;
    return { type: "audio", sample: { dtsMs: timestamp, data } };
  }

  #nals(data: Uint8Array, lengthSize: number): Uint8Array[] | undefined {
    try {
      return splitNals(data, lengthSize);
    } catch (error) {
      if (!(error instanceof BitstreamError)) throw error;
      this.#malformed += 1;
      return undefined;
    }
  }

  #videoConfig(record: Uint8Array): TrackConfig {
    const { facts, lengthSize, description, codecString } = parseAvcConfiguration(record);
    this.#lengthSize = lengthSize;
    const { width, height } = facts;
    return { kind: "video", codec: "h264", timescale: 90_000, width, height, description, codecString };
  }

  #audioConfig(specific: Uint8Array): TrackConfig {
    const { sampleRate, channels, codecString } = parseAudioSpecificConfig(specific);
    this.#hasAudio = true;
    const description = Uint8Array.from(specific);
    return { kind: "audio", codec: "aac", timescale: sampleRate, sampleRate, channels, description, codecString };
  }
}

function unsupported(kind: "video" | "audio", found: string): RtmpError {
  return new RtmpError({ code: "RTMP_CODEC_UNSUPPORTED", kind, found });
}

function printable(bytes: Uint8Array): string {
  return [...bytes].map((byte) => (byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "?")).join("");
}
