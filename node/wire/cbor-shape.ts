/**
 * A walk over CBOR headers before anything is built from them: it bounds nesting (the decoder recurses) and the number
 * of values, and lets in only what Leat writes. Costs one pass and a small stack.
 */
export interface ShapeBounds {
  readonly maxDepth: number;
  readonly maxItems: number;
}

/** What is wrong, or undefined. */
export function checkCborShape(bytes: Uint8Array, bounds: ShapeBounds): string | undefined {
  /** Values that are still to come, per open level. */
  const open: number[] = [];
  let at = 0;
  let items = 0;
  for (;;) {
    if (at >= bytes.length) return "cut short";
    const major = bytes[at]! >> 5;
    const minor = bytes[at]! & 31;
    const header = minor < 24 ? 1 : minor === 24 ? 2 : minor === 25 ? 3 : minor === 26 ? 5 : minor === 27 ? 9 : 0;
    if (header === 0) return "indefinite length";
    if (at + header > bytes.length) return "cut short";
    items += 1;
    if (items > bounds.maxItems) return "too many values";
    const length = major === 7 ? 0 : readLength(bytes, at, minor);
    at += header;
    let children = 0;
    if (major === 2 || major === 3) {
      if (length > bytes.length - at) return "cut short";
      at += length;
    } else if (major === 4 || major === 5) {
      children = major === 4 ? length : 2 * length;
      // Each value takes a byte at least.
      if (children > bytes.length - at) return "cut short";
    } else if (major === 6) {
      children = 1;
    }
    if (open.length > 0) open[open.length - 1]! -= 1;
    if (children > 0) {
      if (open.length >= bounds.maxDepth) return "too deep";
      open.push(children);
    }
    while (open.length > 0 && open[open.length - 1] === 0) open.pop();
    if (open.length === 0) return at === bytes.length ? undefined : "bytes after the value";
  }
}

function readLength(bytes: Uint8Array, at: number, minor: number): number {
  if (minor < 24) return minor;
  let length = 0;
  const size = 2 ** (minor - 24);
  // Beyond 2^53 it is inexact, and far beyond any message anyway.
  for (let index = 1; index <= size; index += 1) length = length * 256 + bytes[at + index]!;
  return length;
}
