import type { Frame, SourceVideoConfig } from "@leat/sdk/protocol/frame.ts";

const TAG_VIDEO = 9;

/** Signature, version 1, audio and video, and the size of no tag before the first. */
export const FLV_HEADER: Buffer = Buffer.from([0x46, 0x4c, 0x56, 1, 5, 0, 0, 0, 9, 0, 0, 0, 0]);

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

/** The configuration of an H.264 track. */
export function flvVideoHeader(config: SourceVideoConfig, timeMs: number): FlvTag {
  return new FlvTag(TAG_VIDEO, timeMs, Buffer.concat([Buffer.from([0x17, 0, 0, 0, 0]), config.description]));
}

/** One H.264 picture. Times are divided by `ticksPerMs` after `offset`, in ticks, was added. */
export function flvVideoFrame(frame: Frame, ticksPerMs: number, offset = 0): FlvTag {
  const timeMs = Math.max(0, Math.round((frame.dts + offset) / ticksPerMs));
  const shownMs = Math.round((frame.pts + offset) / ticksPerMs);
  const head = Buffer.alloc(5);
  head[0] = frame.key ? 0x17 : 0x27;
  head[1] = 1;
  // Composition times are signed 24-bit numbers.
  head.writeIntBE(shownMs - timeMs, 2, 3);
  return new FlvTag(TAG_VIDEO, timeMs, Buffer.concat([head, frame.data]));
}
