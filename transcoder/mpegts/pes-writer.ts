import { concatBytes } from "@leat/sdk/base/bytes.ts";

const PREFIX = Uint8Array.of(0, 0, 1);
/** What a length of 16 bits can say. */
const MAX_LENGTH = 0xffff;

/** A PES packet. Times are ticks of 90 kHz below 2^33. */
export function writePes(streamId: number, pts: number, dts: number, payload: Uint8Array): Uint8Array {
  const times = pts === dts ? writeTime(0x20, pts) : [...writeTime(0x30, pts), ...writeTime(0x10, dts)];
  const size = 3 + times.length + payload.length;
  // Pictures alone may leave it out; where it is there, a reader need not wait for the next packet.
  const length = size > MAX_LENGTH ? 0 : size;
  const aligned = 0x84;
  const head = [streamId, length >> 8, length & 0xff, aligned, pts === dts ? 0x80 : 0xc0, times.length, ...times];
  return concatBytes([PREFIX, Uint8Array.from(head), payload]);
}

/** 33 bits among marker bits. */
function writeTime(mark: number, ticks: number): number[] {
  const [high, middle, low] = [Math.floor(ticks / 2 ** 30), Math.floor(ticks / 2 ** 15) % 2 ** 15, ticks % 2 ** 15];
  return [mark | (high << 1) | 1, middle >> 7, ((middle & 0x7f) << 1) | 1, low >> 7, ((low & 0x7f) << 1) | 1];
}
