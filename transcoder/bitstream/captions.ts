import { REGISTERED_USER_DATA } from "@leat/sdk/protocol/bitstream/captions.ts";
import { joinLengthPrefixed, nalType, splitLengthPrefixed } from "./h264.ts";

const SEI = 6;
const LAST_SLICE = 5;
const STOP_BIT = 0x80;

/** The same picture of H.264 with these captions. */
export function insertCaptions(frame: Uint8Array, captions: readonly Uint8Array[]): Uint8Array {
  if (captions.length === 0) return frame;
  const units = splitLengthPrefixed(frame);
  const slice = units.findIndex((unit) => nalType(unit) >= 1 && nalType(unit) <= LAST_SLICE);
  const messages = captions.flatMap((caption) => [REGISTERED_USER_DATA, caption.length, ...caption]);
  const unit = Uint8Array.of(SEI, ...addEmulation([...messages, STOP_BIT]));
  return joinLengthPrefixed(units.toSpliced(Math.max(0, slice), 0, unit));
}

function addEmulation(bytes: readonly number[]): number[] {
  const escaped: number[] = [];
  for (const byte of bytes) {
    if (byte <= 3 && escaped.at(-1) === 0 && escaped.at(-2) === 0) escaped.push(3);
    escaped.push(byte);
  }
  return escaped;
}
