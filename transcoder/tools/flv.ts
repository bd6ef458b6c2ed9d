import type { AudioConfig, Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { MediaItem } from "./media-item.ts";

const TAG_AUDIO = 8;
const TAG_VIDEO = 9;

/** Signature, version 1, audio and video, and the size of no tag before the first. */
export const FLV_HEADER = Buffer.from([0x46, 0x4c, 0x56, 1, 5, 0, 0, 0, 9, 0, 0, 0, 0]);

/** One FLV tag, as files and RTMP carry it. */
export class FlvTag {
  readonly type: number;
  readonly timeMs: number;
  readonly body: Buffer;

  constructor(type: number, timeMs: number, body: Buffer) {
    this.type = type;
    this.timeMs = timeMs;
    this.body = body;
  }

  toFileBytes(): Buffer {
    const head = Buffer.alloc(11);
    head[0] = this.type;
    head.writeUIntBE(this.body.length, 1, 3);
    head.writeUIntBE(this.timeMs & 0xffffff, 4, 3);
    head[7] = (this.timeMs >>> 24) & 0xff;
    const size = Buffer.alloc(4);
    size.writeUInt32BE(11 + this.body.length);
    return Buffer.concat([head, this.body, size]);
  }
}

/** H.264 and AAC as FLV tags. Times are shifted by `offsetMs`, and rounded to the milliseconds that FLV has. */
export class FlvWriter {
  #audio: AudioConfig | undefined;
  #lastMs = 0;

  write(item: MediaItem, offsetMs = 0): FlvTag[] {
    if (item.type === "config") {
      if (item.config.kind === "video") return [this.#videoHeader(item.config)];
      this.#audio = item.config;
      return [new FlvTag(TAG_AUDIO, this.#lastMs, this.#audioBody(0, item.config.description))];
    }
    const tag = item.frame.kind === "video" ? videoTag(item.frame, offsetMs) : this.#audioTag(item.frame, offsetMs);
    this.#lastMs = tag.timeMs;
    return [tag];
  }

  #videoHeader(config: VideoConfig): FlvTag {
    return new FlvTag(TAG_VIDEO, this.#lastMs, Buffer.concat([Buffer.from([0x17, 0, 0, 0, 0]), config.description]));
  }

  #audioTag(frame: Frame, offsetMs: number): FlvTag {
    const timeMs = Math.max(0, Math.round((frame.dts * 1000) / (this.#audio?.timescale ?? 48_000) + offsetMs));
    return new FlvTag(TAG_AUDIO, timeMs, this.#audioBody(1, frame.data));
  }

  #audioBody(type: number, data: Uint8Array): Buffer {
    // AAC, and the 44 kHz, 16 bit, stereo that the format wants for AAC whatever it holds.
    return Buffer.concat([Buffer.from([0xaf, type]), data]);
  }
}

function videoTag(frame: Frame, offsetMs: number): FlvTag {
  const timeMs = Math.max(0, Math.round(frame.dts / 90 + offsetMs));
  const shownMs = Math.round(frame.pts / 90 + offsetMs);
  const head = Buffer.alloc(5);
  head[0] = frame.key ? 0x17 : 0x27;
  head[1] = 1;
  // Composition times are signed 24-bit numbers.
  head.writeIntBE(shownMs - timeMs, 2, 3);
  return new FlvTag(TAG_VIDEO, timeMs, Buffer.concat([head, frame.data]));
}
