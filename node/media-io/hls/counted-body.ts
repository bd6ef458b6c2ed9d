import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";

/** Large enough that a slice costs little beside its bytes, small enough to count by. */
const SLICE_BYTES = 262_144;

/**
 * A body that tells what of it went out: `count(from, to)` is called for a slice once the operating system has taken
 * it, so a viewer that hangs up half way is counted for half. Offsets are those of the whole, from `offset` on. A single
 * slice needs no stream.
 */
export function countedBody(
  bytes: Uint8Array,
  offset: number,
  response: ServerResponse,
  count: (from: number, to: number) => void,
): Readable | Buffer {
  if (bytes.length <= SLICE_BYTES) {
    response.once("finish", () => count(offset, offset + bytes.length));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  let sent = 0;
  let given = 0;
  const settle = (until: number) => {
    if (until > sent) count(offset + sent, offset + until);
    sent = Math.max(sent, until);
  };
  response.once("finish", () => settle(given));
  return new Readable({
    highWaterMark: 0,
    read() {
      // Asked for more: what was given before has drained.
      settle(given);
      if (given === bytes.length) {
        this.push(null);
        return;
      }
      const next = Math.min(given + SLICE_BYTES, bytes.length);
      const slice = bytes.subarray(given, next);
      given = next;
      this.push(slice);
    },
  });
}
