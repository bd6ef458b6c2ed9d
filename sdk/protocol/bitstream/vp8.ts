import { BitstreamError } from "./bit-reader.ts";
import { checkPictureSize } from "./picture-size.ts";

/** What the uncompressed beginning of one VP8 frame says (RFC 6386, 9.1). */
export interface Vp8Header {
  readonly key: boolean;
  readonly shown: boolean;
  /** Key frames alone say it. */
  readonly size?: { readonly width: number; readonly height: number };
}

const TAG_BYTES = 3;
const START_CODE = [0x9d, 0x01, 0x2a] as const;
const SIZE_BYTES = 4;
const LAST_VERSION = 3;
/** Above it stand two bits of how a player may enlarge the picture, which decoders leave to it. */
const SIDE_BITS = 0x3fff;

/** @throws BitstreamError */
export function parseVp8Header(frame: Uint8Array): Vp8Header {
  const [low, middle, high] = frame;
  if (low === undefined || middle === undefined || high === undefined) throw truncated();
  const key = (low & 1) === 0;
  const version = (low >> 1) & 7;
  if (version > LAST_VERSION)
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "vp8 version", found: version });
  const shown = (low & 0x10) !== 0;
  const firstPartition = (low >> 5) | (middle << 3) | (high << 11);
  const headBytes = key ? TAG_BYTES + START_CODE.length + SIZE_BYTES : TAG_BYTES;
  if (frame.length < headBytes + firstPartition) throw truncated();
  if (!key) return { key, shown };
  if (!START_CODE.every((byte, at) => frame[TAG_BYTES + at] === byte)) {
    throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "vp8 start code" });
  }
  const sideAt = (at: number) => (frame[at]! | (frame[at + 1]! << 8)) & SIDE_BITS;
  const at = TAG_BYTES + START_CODE.length;
  return { key, shown, size: checkPictureSize({ width: sideAt(at), height: sideAt(at + 2) }) };
}

function truncated(): BitstreamError {
  return new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
}
