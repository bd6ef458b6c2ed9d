import { parseVp8Header } from "@leat/sdk/protocol/bitstream/vp8.ts";
import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { VpxDepacketizer, type VpxFormat, type VpxPicture, type VpxPiece } from "./vpx-depacketizer.ts";

const vp8: VpxFormat = { readPiece, readPicture, shapeOf: ({ width, height }) => `${width}x${height}` };

/** VP8 (RFC 7741). Nothing in a packet but the marker says that its picture ends: the next one's time does too. */
export class Vp8Depacketizer extends VpxDepacketizer {
  constructor() {
    super(vp8);
  }
}

function readPicture(data: Uint8Array): VpxPicture {
  const { key, size } = parseVp8Header(data);
  if (size === undefined) return { key, config: undefined };
  const shape = { kind: "video", codec: "vp8", timescale: VIDEO_TIMESCALE, ...size } as const;
  return { key, config: { ...shape, description: new Uint8Array(0), codecString: "vp8" } };
}

/** The payload descriptor and what stands behind it; undefined where it is cut short. */
function readPiece(payload: Uint8Array): VpxPiece | undefined {
  const first = payload[0] ?? 0;
  let offset = 1;
  if ((first & 0x80) !== 0) {
    const extension = payload[offset] ?? 0;
    offset += 1;
    // The picture's number, of one byte or two; its place among layers of time; which of these it is, or its group.
    if ((extension & 0x80) !== 0) offset += ((payload[offset] ?? 0) & 0x80) === 0 ? 1 : 2;
    if ((extension & 0x40) !== 0) offset += 1;
    if ((extension & 0x30) !== 0) offset += 1;
  }
  if (offset >= payload.length) return undefined;
  // Other partitions than the first begin anew too.
  const begins = (first & 0x10) !== 0 && (first & 0x07) === 0;
  return { begins, ends: true, data: payload.subarray(offset) };
}
