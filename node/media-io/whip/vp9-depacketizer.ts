import { findVp9Key, writeVp9Record } from "@leat/sdk/protocol/bitstream/vp9.ts";
import { VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { WhipError } from "./errors.ts";
import { VpxDepacketizer, type VpxFormat, type VpxPicture, type VpxPiece } from "./vpx-depacketizer.ts";

const vp9: VpxFormat = {
  readPiece,
  readPicture,
  shapeOf: ({ width, height, description }) => `${width}x${height} ${Buffer.from(description).toString("hex")}`,
};

/** VP9 (RFC 9628) of one spatial layer. */
export class Vp9Depacketizer extends VpxDepacketizer {
  constructor() {
    super(vp9);
  }
}

function readPicture(data: Uint8Array): VpxPicture {
  const header = findVp9Key(data);
  if (header === undefined) return { key: false, config: undefined };
  const { width = 0, height = 0 } = header;
  const config = { kind: "video", codec: "vp9", timescale: VIDEO_TIMESCALE, width, height } as const;
  return { key: true, config: { ...config, ...writeVp9Record(header) } };
}

/** What stands behind the payload descriptor; undefined where that is cut short. @throws WHIP_LAYERS_UNSUPPORTED */
function readPiece(payload: Uint8Array): VpxPiece | undefined {
  const first = payload[0]!;
  const has = (bit: number) => (first & bit) !== 0;
  const isFlexible = has(0x10);
  let offset = 1;
  if (has(0x80)) offset += ((payload[offset] ?? 0) & 0x80) === 0 ? 1 : 2;
  let layer = 0;
  if (has(0x20)) {
    layer = ((payload[offset] ?? 0) >> 1) & 7;
    offset += isFlexible ? 1 : 2;
  }
  if (isFlexible && has(0x40)) {
    // Up to three references, each saying whether another follows.
    for (let count = 0; count < 3; count += 1) {
      const more = ((payload[offset] ?? 0) & 1) !== 0;
      offset += 1;
      if (!more) break;
    }
  }
  if (has(0x02)) {
    const end = skipStructure(payload, offset);
    if (end === undefined) return undefined;
    offset = end;
  }
  if (offset >= payload.length) return undefined;
  // A decoder needs all layers as one picture of several sizes, which no rendition here is.
  if (layer > 0) throw new WhipError({ code: "WHIP_LAYERS_UNSUPPORTED", layer });
  return { begins: has(0x08), ends: has(0x04), data: payload.subarray(offset) };
}

/** Where the scalability structure ends. */
function skipStructure(payload: Uint8Array, from: number): number | undefined {
  const head = payload[from];
  if (head === undefined) return undefined;
  let offset = from + 1;
  if ((head & 0x10) !== 0) offset += 4 * ((head >> 5) + 1);
  if ((head & 0x08) !== 0) {
    const pictures = payload[offset];
    if (pictures === undefined) return undefined;
    offset += 1;
    for (let index = 0; index < pictures; index += 1) {
      const about = payload[offset];
      if (about === undefined) return undefined;
      offset += 1 + ((about >> 2) & 3);
    }
  }
  return offset;
}
