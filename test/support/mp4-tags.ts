import { ID3_SCHEME } from "@leat/node/media/mp4/event-message.ts";

/** An `emsg` box of version 0, whose time is counted from the start of its segment. */
export function writeRelativeEvent(
  afterTicks: number,
  timescale: number,
  data: Uint8Array,
  scheme = ID3_SCHEME,
): Buffer {
  return writeBox(Buffer.from([0, 0, 0, 0]), Buffer.from(`${scheme}\0\0`), uint32s(timescale, afterTicks, 0, 1), data);
}

/** One of version 1, whose time is on the clock of the tracks. */
export function writeEvent(ticks: number, timescale: number, data: Uint8Array, scheme = ID3_SCHEME): Buffer {
  const numbers = uint32s(timescale, Math.floor(ticks / 2 ** 32), ticks % 2 ** 32, 0, 1);
  return writeBox(Buffer.from([1, 0, 0, 0]), numbers, Buffer.from(`${scheme}\0\0`), data);
}

function writeBox(...body: readonly Uint8Array[]): Buffer {
  const size = body.reduce((sum, { length }) => sum + length, 8);
  return Buffer.concat([uint32s(size), Buffer.from("emsg"), ...body]);
}

function uint32s(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
}
