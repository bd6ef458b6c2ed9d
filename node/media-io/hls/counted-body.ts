import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";

/** What goes out in one: large enough to cost little beside its bytes, small enough to count by. */
export const SLICE_BYTES = 262_144;

/** Who takes nothing for so long does not watch, and what it asked for would be kept for it. */
const STALLED_MS = 30_000;

/**
 * A body that tells what of it went out: `count(from, to)` is called for a slice once the operating system has taken
 * it, so a viewer that hangs up half way is counted for half. Offsets are those of the whole, from `offset` on. A single
 * slice needs no stream. Who takes nothing of it for `stalledMs` is cut off.
 */
export function countedBody(
  pieces: readonly Uint8Array[],
  offset: number,
  response: ServerResponse,
  count: (from: number, to: number) => void,
  stalledMs = STALLED_MS,
): Readable | Buffer {
  response.setTimeout(stalledMs, () => response.destroy());
  const [first] = pieces;
  if (pieces.length === 1 && first!.length <= SLICE_BYTES) {
    response.once("finish", () => count(offset, offset + first!.length));
    return Buffer.from(first!.buffer, first!.byteOffset, first!.byteLength);
  }
  let sent = 0;
  let given = 0;
  const settle = (until: number) => {
    if (until > sent) count(offset + sent, offset + until);
    sent = Math.max(sent, until);
  };
  const slices = sliceAll(pieces);
  response.once("finish", () => settle(given));
  return new Readable({
    highWaterMark: 0,
    read() {
      // Asked for more: what was given before has drained.
      settle(given);
      const { value: slice, done } = slices.next();
      if (done !== true) given += slice.length;
      this.push(slice ?? null);
    },
  });
}

/** Bytes `from` to `to`, the end not included, of what these make together. */
export function selectBytes(pieces: readonly Uint8Array[], from: number, to: number): Uint8Array[] {
  let at = 0;
  return pieces.flatMap((piece) => {
    const start = at;
    at += piece.length;
    const [first, end] = [Math.max(from, start), Math.min(to, at)];
    return first < end ? [piece.subarray(first - start, end - start)] : [];
  });
}

function* sliceAll(pieces: readonly Uint8Array[]): Generator<Uint8Array, undefined> {
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += SLICE_BYTES) yield piece.subarray(at, at + SLICE_BYTES);
  }
}
