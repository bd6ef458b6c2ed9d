import type { SourceVideoCodec } from "@leat/sdk/protocol/frame.ts";
import { joinLengthPrefixed, nalType, splitLengthPrefixed } from "./h264.ts";

/** Supplemental information before a picture, as H.264 and HEVC number it, and how long their NAL units' heads are. */
const SEI: Partial<Record<SourceVideoCodec, { readonly type: number; readonly headBytes: number }>> = {
  h264: { type: 6, headBytes: 1 },
  hevc: { type: 39, headBytes: 2 },
};
const REGISTERED_USER_DATA = 4;
/** ATSC A/53 part 4: the country, the provider, "GA94", and that captions follow. */
const CAPTIONS = Buffer.from([0xb5, 0x00, 0x31, 0x47, 0x41, 0x39, 0x34, 0x03]);
/** 31 constructs of three bytes are the most, which is 105 bytes; a picture of two fields has two. */
const MAX_CAPTION_BYTES = 128;
const MAX_CAPTIONS = 2;
const LAST_SLICE = 5;
const STOP_BIT = 0x80;

/** What a picture carries of CEA-608 and CEA-708 captions. What is no caption, or none as they are made, is left out. */
export function readCaptions(codec: SourceVideoCodec, frame: Uint8Array): Uint8Array[] {
  const sei = SEI[codec];
  if (sei === undefined) return [];
  const typeOf = (unit: Uint8Array) => (codec === "h264" ? nalType(unit) : ((unit[0] ?? 0) >> 1) & 0x3f);
  const units = splitLengthPrefixed(frame).filter((unit) => typeOf(unit) === sei.type);
  return units.flatMap((unit) => readMessages(removeEmulation(unit.subarray(sei.headBytes)))).slice(0, MAX_CAPTIONS);
}

/** The same picture of H.264 with these captions. */
export function insertCaptions(frame: Uint8Array, captions: readonly Uint8Array[]): Uint8Array {
  if (captions.length === 0) return frame;
  const units = splitLengthPrefixed(frame);
  const slice = units.findIndex((unit) => nalType(unit) >= 1 && nalType(unit) <= LAST_SLICE);
  const messages = captions.flatMap((caption) => [REGISTERED_USER_DATA, caption.length, ...caption]);
  const unit = Uint8Array.of(SEI.h264!.type, ...addEmulation([...messages, STOP_BIT]));
  return joinLengthPrefixed(units.toSpliced(Math.max(0, slice), 0, unit));
}

function readMessages(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
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
  while (at + 2 < bytes.length) {
    const type = readNumber();
    const size = readNumber();
    const payload = bytes.subarray(at, at + size);
    at += size;
    const isCaption = type === REGISTERED_USER_DATA && CAPTIONS.equals(payload.subarray(0, CAPTIONS.length));
    if (isCaption && payload.length === size && size <= MAX_CAPTION_BYTES) found.push(payload);
  }
  return found;
}

/** Without the 3 that parts two zeros from what would look like a start code. */
function removeEmulation(bytes: Uint8Array): Uint8Array {
  return bytes.filter((byte, at) => byte !== 3 || at < 2 || bytes[at - 1] !== 0 || bytes[at - 2] !== 0);
}

function addEmulation(bytes: readonly number[]): number[] {
  const escaped: number[] = [];
  for (const byte of bytes) {
    if (byte <= 3 && escaped.at(-1) === 0 && escaped.at(-2) === 0) escaped.push(3);
    escaped.push(byte);
  }
  return escaped;
}
