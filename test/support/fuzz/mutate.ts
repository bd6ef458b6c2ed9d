import type { SeededRandom } from "../seeded-random.ts";

/** Numbers at which sizes, counts and flags turn. */
const edges = [0, 1, 2, 3, 7, 8, 9, 0x0f, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xc0, 0xf0, 0xfe, 0xff];
const MAX_EDITS = 6;
/** Edits may double a thing: not for ever. */
const MAX_BYTES = 65_536;

/** From 0 up to `limit`. */
export function pick(random: SeededRandom, limit: number): number {
  return Math.floor(random.next() * limit);
}

export function pickOne<T>(random: SeededRandom, items: readonly T[]): T {
  return items[pick(random, items.length)]!;
}

export function randomBytes(random: SeededRandom, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, () => pick(random, 256));
}

/** `seed` with a few places changed, taken out, doubled, cut off or mixed with `other`. Now and then noise instead. */
export function mutate(random: SeededRandom, seed: Uint8Array, other: Uint8Array): Uint8Array {
  if (random.next() < 0.05) return randomBytes(random, pick(random, 200));
  let bytes: Uint8Array = Uint8Array.from(seed);
  const edits = 1 + pick(random, MAX_EDITS);
  for (let edit = 0; edit < edits; edit += 1) bytes = changeOnce(random, bytes, other);
  return bytes.subarray(0, MAX_BYTES);
}

/** Lines of several, since most of a playlist's faults are between lines that are well by themselves. */
export function mixLines(random: SeededRandom, seeds: readonly Uint8Array[]): Uint8Array {
  const lines = new TextDecoder().decode(pickOne(random, seeds)).split("\n");
  for (let edits = pick(random, 3); edits > 0; edits -= 1) {
    const other = new TextDecoder().decode(pickOne(random, seeds)).split("\n");
    lines.splice(
      1 + pick(random, lines.length),
      pick(random, 3),
      ...(random.next() < 0.7 ? [pickOne(random, other)] : []),
    );
  }
  return new TextEncoder().encode(lines.join("\n"));
}

/** In pieces as a connection may bring them. */
export function cutUp(random: SeededRandom, bytes: Uint8Array, mostBytes = 5_000): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const size = 1 + pick(random, 1 + pick(random, mostBytes));
    pieces.push(bytes.subarray(offset, offset + size));
    offset += size;
  }
  return pieces;
}

function changeOnce(random: SeededRandom, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  const at = placeIn(random, bytes);
  const size = 1 + pick(random, 1 + pick(random, 40));
  switch (pick(random, 10)) {
    case 0:
      return overwrite(bytes, at, [(bytes[at] ?? 0) ^ (1 << pick(random, 8))]);
    case 1:
      return overwrite(bytes, at, [pickOne(random, edges)]);
    case 2:
      return overwrite(bytes, at, [pick(random, 256)]);
    case 3:
      // A length of two to four bytes.
      return overwrite(bytes, at, Array<number>(2 + pick(random, 3)).fill(pickOne(random, [0, 0x7f, 0x80, 0xff])));
    case 4:
      return join(bytes.subarray(0, at), bytes.subarray(at + size));
    case 5:
      return join(bytes.subarray(0, at), bytes.subarray(at, at + size), bytes.subarray(at));
    case 6:
      return join(bytes.subarray(0, at), randomBytes(random, size), bytes.subarray(at));
    case 7:
      return bytes.subarray(0, at);
    case 8:
      return join(
        bytes.subarray(0, at),
        ...repeat(random, bytes.subarray(at, at + 1 + pick(random, 8))),
        bytes.subarray(at),
      );
    default:
      return join(bytes.subarray(0, at), other.subarray(placeIn(random, other)));
  }
}

/** A few bytes again and again: now and then as often as there is room, for what nests, counts or collects. */
function repeat(random: SeededRandom, bytes: Uint8Array): Uint8Array[] {
  const most = random.next() < 0.1 ? MAX_BYTES / Math.max(1, bytes.length) : 40;
  return Array<Uint8Array>(Math.floor(random.next() * most)).fill(bytes);
}

/** More often near the beginning, where the heads stand. */
function placeIn(random: SeededRandom, bytes: Uint8Array): number {
  const reach = random.next() < 0.5 ? Math.min(bytes.length, 48) : bytes.length;
  return pick(random, reach + 1);
}

function overwrite(bytes: Uint8Array, at: number, values: readonly number[]): Uint8Array {
  for (const [index, value] of values.entries()) if (at + index < bytes.length) bytes[at + index] = value;
  return bytes;
}

function join(...pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(pieces));
}
