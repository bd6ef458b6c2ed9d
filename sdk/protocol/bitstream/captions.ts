import type { SourceVideoCodec } from "../frame.ts";
import { removeEmulation } from "./nal.ts";

interface Sei {
  readonly typeOf: (firstByte: number) => number;
  readonly type: number;
  readonly headBytes: number;
}

/** Supplemental information before a picture, as H.264 and HEVC number it, and how long their NAL units' heads are. */
const kinds: Partial<Record<SourceVideoCodec, Sei>> = {
  h264: { typeOf: (byte) => byte & 0x1f, type: 6, headBytes: 1 },
  hevc: { typeOf: (byte) => (byte >> 1) & 0x3f, type: 39, headBytes: 2 },
};
export const REGISTERED_USER_DATA = 4;
/** ATSC A/53 part 4: the country, the provider, "GA94", and that captions follow. */
const mark = [0xb5, 0x00, 0x31, 0x47, 0x41, 0x39, 0x34, 0x03] as const;
/** 31 constructs of three bytes are the most, which is 105 bytes; a picture of two fields has two. */
const MAX_CAPTION_BYTES = 128;
const MAX_CAPTIONS = 2;
const LENGTH_BYTES = 4;
const IS_PROCESSED = 0x40;
const FIRST_FIELD = 0;
const SECOND_FIELD = 1;
/** Every caption begins with a control code of these. */
const CAPTION_CONTROL = 0x10;

/**
 * What a picture with 4-byte lengths carries of CEA-608 and CEA-708 captions. What is no caption, or none as they are
 * made, is left out.
 */
export function readCaptions(codec: SourceVideoCodec, frame: Uint8Array): Uint8Array[] {
  const kind = kinds[codec];
  if (kind === undefined) return [];
  const found: Uint8Array[] = [];
  for (let at = 0; at + LENGTH_BYTES < frame.length; ) {
    const begin = at + LENGTH_BYTES;
    const end = begin + readLength(frame, at);
    if (end > frame.length) break;
    if (kind.typeOf(frame[begin]!) === kind.type)
      readMessages(removeEmulation(frame.subarray(begin + kind.headBytes, end)), found);
    if (found.length === MAX_CAPTIONS) break;
    at = end;
  }
  return found;
}

/**
 * Whether a caption says anything in CEA-608: encoders send empty ones with every picture while nobody speaks, and what
 * they say of the programme stands in the second field.
 */
export function isShown(caption: Uint8Array): boolean {
  const flags = caption[mark.length] ?? 0;
  const count = (flags & IS_PROCESSED) === 0 ? 0 : flags & 0x1f;
  for (let construct = 0; construct < count; construct += 1) {
    const [kind = 0, first = 0, second = 0] = caption.subarray(mark.length + 2 + 3 * construct);
    const isValid = (kind & 4) !== 0;
    // The highest bits are parity.
    if (isValid && (kind & 3) === FIRST_FIELD && ((first | second) & 0x7f) !== 0) return true;
    if (isValid && (kind & 3) === SECOND_FIELD && (first & 0x70) === CAPTION_CONTROL) return true;
  }
  return false;
}

function readLength(frame: Uint8Array, at: number): number {
  return frame[at]! * 2 ** 24 + (frame[at + 1]! << 16) + (frame[at + 2]! << 8) + frame[at + 3]!;
}

/** A unit may hold a million messages: no more are found than a picture may have. */
function readMessages(bytes: Uint8Array, found: Uint8Array[]): void {
  let at = 0;
  const readNumber = () => {
    let sum = 0;
    while (bytes[at] === 0xff) {
      sum += 0xff;
      at += 1;
    }
    sum += bytes[at] ?? 0;
    at += 1;
    return sum;
  };
  while (at + 2 < bytes.length && found.length < MAX_CAPTIONS) {
    const type = readNumber();
    const size = readNumber();
    const payload = bytes.subarray(at, at + size);
    at += size;
    const isCaption = type === REGISTERED_USER_DATA && mark.every((byte, index) => payload[index] === byte);
    if (isCaption && payload.length === size && size <= MAX_CAPTION_BYTES) found.push(payload);
  }
}
