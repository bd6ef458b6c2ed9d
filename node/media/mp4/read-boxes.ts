import { Mp4Error } from "./errors.ts";

export interface Box {
  readonly type: string;
  readonly body: Uint8Array;
  /** Where the box, head included, begins in what was read. */
  readonly start: number;
}

/** Of one segment: of ten seconds, with a fragment for each picture and each packet of sound, there are 15,000. */
export const MAX_SEGMENT_BOXES = 50_000;

/** Reads boxes, and no more of them than it may: eight bytes are one, and each takes an object and a moment. */
export class BoxReader {
  readonly #limit: number;
  #read = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Boxes of `bytes`, as far as they are whole. @throws MP4_BOXES_EXCEEDED */
  boxes(bytes: Uint8Array): Box[] {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const boxes: Box[] = [];
    let at = 0;
    while (at + 8 <= bytes.length) {
      const small = view.getUint32(at);
      const isLarge = small === 1 && at + 16 <= bytes.length;
      const size = isLarge ? Number(view.getBigUint64(at + 8)) : small === 0 ? bytes.length - at : small;
      const head = isLarge ? 16 : 8;
      if (size < head || at + size > bytes.length) break;
      this.#read += 1;
      if (this.#read > this.#limit) throw new Mp4Error({ code: "MP4_BOXES_EXCEEDED", limit: this.#limit });
      const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
      boxes.push({ type, body: bytes.subarray(at + head, at + size), start: at });
      at += size;
    }
    return boxes;
  }

  /** The body of the first box of each name, one inside the other. @throws MP4_BOXES_EXCEEDED */
  find(bytes: Uint8Array, ...path: string[]): Uint8Array | undefined {
    let body: Uint8Array | undefined = bytes;
    for (const type of path) body = body && this.boxes(body).find((item) => item.type === type)?.body;
    return body;
  }
}

/** Boxes of `bytes`, as far as they are whole, however many. */
export function readBoxes(bytes: Uint8Array): Box[] {
  return new BoxReader(Number.POSITIVE_INFINITY).boxes(bytes);
}

/** The body of the first box of each name, one inside the other. */
export function findBox(bytes: Uint8Array, ...path: string[]): Uint8Array | undefined {
  return new BoxReader(Number.POSITIVE_INFINITY).find(bytes, ...path);
}
