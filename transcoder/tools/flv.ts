import type { AudioConfig, Frame } from "@leat/sdk/protocol/frame.ts";
import { FlvTag, flvVideoFrame, flvVideoHeader } from "../bitstream/flv.ts";
import type { MediaItem } from "./media-item.ts";

const TAG_AUDIO = 8;
const VIDEO_TICKS_PER_MS = 90;

/** H.264 and AAC as FLV tags. Times are shifted by `offsetMs`, and rounded to the milliseconds that FLV has. */
export class FlvWriter {
  #audio: AudioConfig | undefined;
  #lastMs = 0;

  write(item: MediaItem, offsetMs = 0): FlvTag[] {
    if (item.type === "config") {
      if (item.config.kind === "video") return [flvVideoHeader(item.config, this.#lastMs)];
      this.#audio = item.config;
      return [new FlvTag(TAG_AUDIO, this.#lastMs, audioBody(0, item.config.description))];
    }
    const { frame } = item;
    const tag =
      frame.kind === "video"
        ? flvVideoFrame(frame, VIDEO_TICKS_PER_MS, offsetMs * VIDEO_TICKS_PER_MS)
        : this.#audioTag(frame, offsetMs);
    this.#lastMs = tag.timeMs;
    return [tag];
  }

  #audioTag(frame: Frame, offsetMs: number): FlvTag {
    const timeMs = Math.max(0, Math.round((frame.dts * 1000) / (this.#audio?.timescale ?? 48_000) + offsetMs));
    return new FlvTag(TAG_AUDIO, timeMs, audioBody(1, frame.data));
  }
}

function audioBody(type: number, data: Uint8Array): Buffer {
  // AAC, and the 44 kHz, 16 bit, stereo that the format wants for AAC whatever it holds.
  return Buffer.concat([Buffer.from([0xaf, type]), data]);
}
