import { concatBytes, text, uint32 } from "@leat/sdk/base/bytes.ts";

/** The atoms of ISO BMFF writing: everything is big endian, a box is its size, its type and its body. */

export function uint8(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

export function uint16(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 2);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setUint16(index * 2, value);
  return bytes;
}

/** A non-negative safe integer as 64 bits. */
export function uint64(value: number): Uint8Array {
  return uint32(Math.floor(value / 2 ** 32), value % 2 ** 32);
}

export function zeros(size: number): Uint8Array {
  return new Uint8Array(size);
}

export function box(type: string, ...body: Uint8Array[]): Uint8Array<ArrayBuffer> {
  let size = 8;
  for (const piece of body) size += piece.length;
  return concatBytes([uint32(size), text(type), ...body]);
}

export function fullBox(type: string, version: number, flags: number, ...body: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return box(type, uint32(((version << 24) | flags) >>> 0), ...body);
}
