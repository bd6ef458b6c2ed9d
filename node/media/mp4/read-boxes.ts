export interface Box {
  readonly type: string;
  readonly body: Uint8Array;
  /** Where the box, head included, begins in what was read. */
  readonly start: number;
}

/** Boxes of `bytes`, as far as they are whole. */
export function readBoxes(bytes: Uint8Array): Box[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const boxes: Box[] = [];
  let at = 0;
  while (at + 8 <= bytes.length) {
    const small = view.getUint32(at);
    const isLarge = small === 1 && at + 16 <= bytes.length;
    const size = isLarge ? Number(view.getBigUint64(at + 8)) : small === 0 ? bytes.length - at : small;
    const head = isLarge ? 16 : 8;
    if (size < head || at + size > bytes.length) break;
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    boxes.push({ type, body: bytes.subarray(at + head, at + size), start: at });
    at += size;
  }
  return boxes;
}

/** The body of the first box of each name, one inside the other. */
export function findBox(bytes: Uint8Array, ...path: string[]): Uint8Array | undefined {
  let body: Uint8Array | undefined = bytes;
  for (const type of path) body = body && readBoxes(body).find((item) => item.type === type)?.body;
  return body;
}
