import { RtmpWireError } from "./errors.ts";
import { MAX_AMF_DEPTH, MAX_AMF_ITEMS } from "./limits.ts";

/** The AMF0 values that RTMP commands are made of. Objects are maps: a peer's names never become properties. */
export type AmfValue = number | boolean | string | null | undefined | AmfValue[] | Map<string, AmfValue>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeAmf(values: readonly AmfValue[]): Uint8Array {
  return Buffer.concat(values.flatMap((value) => encodeValue(value)));
}

/** All values of a message. Throws a RtmpWireError for anything malformed, too deep or too many. */
export function decodeAmf(bytes: Uint8Array): AmfValue[] {
  const reader = new AmfReader(bytes);
  const values: AmfValue[] = [];
  while (!reader.ended) values.push(reader.value(0));
  return values;
}

function encodeValue(value: AmfValue): Uint8Array[] {
  switch (typeof value) {
    case "number": {
      const bytes = Buffer.alloc(9);
      bytes.writeDoubleBE(value, 1);
      return [bytes];
    }
    case "boolean":
      return [Uint8Array.of(1, value ? 1 : 0)];
    case "string":
      return [Uint8Array.of(2), encodeText(value)];
    case "undefined":
      return [Uint8Array.of(6)];
    default:
      break;
  }
  if (value === null) return [Uint8Array.of(5)];
  if (Array.isArray(value)) {
    const count = Buffer.alloc(5);
    count[0] = 10;
    count.writeUInt32BE(value.length, 1);
    return [count, ...value.flatMap((item) => encodeValue(item))];
  }
  const fields = [...value].flatMap(([name, item]) => [encodeText(name), ...encodeValue(item)]);
  return [Uint8Array.of(3), ...fields, Uint8Array.of(0, 0, 9)];
}

function encodeText(text: string): Uint8Array {
  const bytes = encoder.encode(text);
  return Buffer.concat([Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
}

class AmfReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;
  #items = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get ended(): boolean {
    return this.#offset >= this.#bytes.length;
  }

  value(depth: number): AmfValue {
    this.#items += 1;
    if (depth > MAX_AMF_DEPTH) throw new RtmpWireError({ code: "RTMP_AMF_INVALID", what: "depth" });
    if (this.#items > MAX_AMF_ITEMS) throw new RtmpWireError({ code: "RTMP_AMF_INVALID", what: "items" });
    const marker = this.#view.getUint8(this.#take(1));
    switch (marker) {
      case 0:
        return this.#view.getFloat64(this.#take(8));
      case 1:
        return this.#view.getUint8(this.#take(1)) !== 0;
      case 2:
        return this.#text(this.#view.getUint16(this.#take(2)));
      case 3:
        return this.#fields(depth);
      case 5:
        return null;
      case 6:
        return undefined;
      case 8:
        this.#take(4); // the count is a hint; the end marker decides
        return this.#fields(depth);
      case 10:
        return this.#list(this.#view.getUint32(this.#take(4)), depth);
      case 11: {
        const date = this.#view.getFloat64(this.#take(8));
        this.#take(2); // time zone
        return date;
      }
      case 12:
        return this.#text(this.#view.getUint32(this.#take(4)));
      default:
        throw new RtmpWireError({ code: "RTMP_AMF_INVALID", what: `marker ${marker}` });
    }
  }

  #fields(depth: number): Map<string, AmfValue> {
    const fields = new Map<string, AmfValue>();
    for (;;) {
      const name = this.#text(this.#view.getUint16(this.#take(2)));
      if (name === "" && this.#bytes[this.#offset] === 9) {
        this.#offset += 1;
        return fields;
      }
      fields.set(name, this.value(depth + 1));
    }
  }

  #list(count: number, depth: number): AmfValue[] {
    if (count > MAX_AMF_ITEMS) throw new RtmpWireError({ code: "RTMP_AMF_INVALID", what: "items" });
    return Array.from({ length: count }, () => this.value(depth + 1));
  }

  #text(size: number): string {
    const start = this.#take(size);
    return decoder.decode(this.#bytes.subarray(start, start + size));
  }

  #take(size: number): number {
    const start = this.#offset;
    if (start + size > this.#bytes.length) throw new RtmpWireError({ code: "RTMP_AMF_INVALID", what: "truncated" });
    this.#offset += size;
    return start;
  }
}
