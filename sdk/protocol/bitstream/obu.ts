import { concatBytes } from "../../base/bytes.ts";
import { BitstreamError } from "./bit-reader.ts";

/** One open bitstream unit of AV1. */
export interface Obu {
  readonly type: number;
  /** The extension byte, where there is one. */
  readonly extension: number | undefined;
  readonly payload: Uint8Array;
}

export const obuTypes = {
  sequenceHeader: 1,
  temporalDelimiter: 2,
  frameHeader: 3,
  redundantFrameHeader: 7,
  frame: 6,
  tileList: 8,
  padding: 15,
} as const;

/** Far beyond the tiles of any picture: a megabyte of empty units must not become a million objects. */
const MAX_UNITS = 8_192;

/** The units of a temporal unit. One without a size reaches to the end. */
export function splitObus(data: Uint8Array): Obu[] {
  const units: Obu[] = [];
  let offset = 0;
  while (offset < data.length) {
    const head = data[offset]!;
    if ((head & 0x80) !== 0) throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "obu header", found: head });
    offset += 1;
    let extension: number | undefined;
    if ((head & 4) !== 0) {
      extension = data[offset];
      offset += 1;
    }
    let size = data.length - offset;
    if ((head & 2) !== 0) [size, offset] = readSize(data, offset);
    if (size < 0 || offset + size > data.length) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
    if (units.length >= MAX_UNITS) throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "obu count" });
    units.push({ type: (head >> 3) & 15, extension, payload: data.subarray(offset, offset + size) });
    offset += size;
  }
  return units;
}

/** Units as MP4 holds them: each with its size. */
export function joinObus(units: readonly Obu[]): Uint8Array<ArrayBuffer> {
  return concatBytes(
    units.flatMap(({ type, extension, payload }) => {
      const head = (type << 3) | 2;
      const start = extension === undefined ? [head] : [head | 4, extension];
      return [Uint8Array.of(...start, ...writeSize(payload.length)), payload];
    }),
  );
}

/** leb128: seven bits a byte, the low ones first. */
function readSize(data: Uint8Array, from: number): [size: number, end: number] {
  let value = 0;
  for (let index = 0; index < 8; index += 1) {
    const byte = data[from + index];
    if (byte === undefined) throw new BitstreamError({ code: "BITSTREAM_TRUNCATED" });
    value += (byte & 0x7f) * 2 ** (7 * index);
    if ((byte & 0x80) === 0) return [value, from + index + 1];
  }
  throw new BitstreamError({ code: "BITSTREAM_INVALID", what: "obu size" });
}

/** A unit without its size, as packets hold it. */
export function bareObu({ type, extension, payload }: Obu): Uint8Array<ArrayBuffer> {
  const head = extension === undefined ? [type << 3] : [(type << 3) | 4, extension];
  return concatBytes([Uint8Array.from(head), payload]);
}

function writeSize(size: number): number[] {
  const bytes = [];
  let rest = size;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return bytes;
}
