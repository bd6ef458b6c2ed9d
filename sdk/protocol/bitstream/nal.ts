import { concatBytes } from "../../base/bytes.ts";
import { BitstreamError } from "./bit-reader.ts";

/** What H.264 and HEVC share: NAL units, how frames and configuration records hold them. */

/** Far beyond the slices of any picture: a frame of a million one-byte units must not become a million objects. */
const MAX_NALS = 8_192;

/** NAL units of a frame with length prefixes; throws where a length passes the end. */
export function splitNals(frame: Uint8Array, lengthSize = 4): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let offset = 0;
  while (offset < frame.length) {
    if (offset + lengthSize > frame.length) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
    let size = 0;
    for (let index = 0; index < lengthSize; index += 1) size = size * 256 + frame[offset + index]!;
    offset += lengthSize + size;
    if (offset > frame.length) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
    if (nals.length >= MAX_NALS) throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "nal count" });
    if (size > 0) nals.push(frame.subarray(offset - size, offset));
  }
  return nals;
}

/** NAL units of a byte stream: each begins behind 0 0 1, and zeros before that are no part of the one before. */
export function splitByteStream(bytes: Uint8Array): Uint8Array[] {
  const nals: Uint8Array[] = [];
  let begin = findStart(bytes, 0);
  while (begin < bytes.length) {
    const next = findStart(bytes, begin + 3);
    let end = next;
    while (end > begin + 3 && bytes[end - 1] === 0) end -= 1;
    if (nals.length >= MAX_NALS) throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "nal count" });
    if (end > begin + 3) nals.push(bytes.subarray(begin + 3, end));
    begin = next;
  }
  return nals;
}

function findStart(bytes: Uint8Array, from: number): number {
  for (let one = bytes.indexOf(1, from + 2); one !== -1; one = bytes.indexOf(1, one + 1)) {
    if (bytes[one - 1] === 0 && bytes[one - 2] === 0) return one - 2;
  }
  return bytes.length;
}

/** The frame with 4-byte lengths, whatever they were before; the same bytes where they were 4 and none was empty. */
export function joinNals(nals: readonly Uint8Array[]): Uint8Array {
  return concatBytes(nals.flatMap((nal) => [lengthOf(nal), nal]));
}

function lengthOf({ length }: Uint8Array): Uint8Array {
  return Uint8Array.of(length >>> 24, length >> 16, length >> 8, length);
}

/** `count` parameter sets of a configuration record, each behind 16 bits of length; and where they end. */
export function readSets(record: Uint8Array, from: number, count: number): [sets: Uint8Array[], end: number] {
  const sets: Uint8Array[] = [];
  let offset = from;
  for (let index = 0; index < count; index += 1) {
    if (offset + 2 > record.length) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
    const size = record[offset]! * 256 + record[offset + 1]!;
    offset += 2 + size;
    if (offset > record.length) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
    sets.push(record.subarray(offset - size, offset));
  }
  return [sets, offset];
}

/** Takes the 3 out of every 0 0 3. */
export function removeEmulation(bytes: Uint8Array): Uint8Array {
  const kept = new Uint8Array(bytes.length);
  let size = 0;
  let zeros = 0;
  for (const byte of bytes) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    kept[size] = byte;
    size += 1;
  }
  return kept.subarray(0, size);
}
