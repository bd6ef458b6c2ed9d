/** Action Message Format 0, as far as RTMP commands use it. */
export type AmfValue = number | boolean | string | null | undefined | AmfValue[] | { [key: string]: AmfValue };

const NUMBER = 0;
const BOOLEAN = 1;
const STRING = 2;
const OBJECT = 3;
const NULL = 5;
const UNDEFINED = 6;
const ECMA_ARRAY = 8;
const OBJECT_END = 9;
const STRICT_ARRAY = 10;
/** Commands nest twice at most; a server that sends more is broken. */
const DEPTH_LIMIT = 8;

export function encodeAmf(values: readonly AmfValue[]): Buffer {
  return Buffer.concat(values.map(encodeValue));
}

function encodeValue(value: AmfValue): Buffer {
  if (typeof value === "number") {
    const bytes = Buffer.alloc(9);
    bytes[0] = NUMBER;
    bytes.writeDoubleBE(value, 1);
    return bytes;
  }
  if (typeof value === "boolean") return Buffer.from([BOOLEAN, value ? 1 : 0]);
  if (typeof value === "string") return Buffer.concat([Buffer.from([STRING]), encodeText(value)]);
  if (value === null) return Buffer.from([NULL]);
  if (value === undefined) return Buffer.from([UNDEFINED]);
  if (Array.isArray(value)) {
    const count = Buffer.alloc(5);
    count[0] = STRICT_ARRAY;
    count.writeUInt32BE(value.length, 1);
    return Buffer.concat([count, ...value.map(encodeValue)]);
  }
  const fields = Object.entries(value).flatMap(([key, field]) => [encodeText(key), encodeValue(field)]);
  return Buffer.concat([Buffer.from([OBJECT]), ...fields, Buffer.from([0, 0, OBJECT_END])]);
}

function encodeText(text: string): Buffer {
  const body = Buffer.from(text, "utf8");
  const size = Buffer.alloc(2);
  size.writeUInt16BE(body.length);
  return Buffer.concat([size, body]);
}

/** The values in `bytes`, up to the first that is cut short or unknown. */
export function decodeAmf(bytes: Buffer): AmfValue[] {
  const cursor = { bytes, at: 0 };
  const values: AmfValue[] = [];
  try {
    while (cursor.at < bytes.length) values.push(decodeValue(cursor, 0));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return values;
}

interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

function decodeValue(cursor: Cursor, depth: number): AmfValue {
  if (depth > DEPTH_LIMIT) throw new RangeError("nested too deep");
  const { bytes } = cursor;
  const type = bytes.readUInt8(cursor.at);
  cursor.at += 1;
  switch (type) {
    case NUMBER:
      cursor.at += 8;
      return bytes.readDoubleBE(cursor.at - 8);
    case BOOLEAN:
      cursor.at += 1;
      return bytes.readUInt8(cursor.at - 1) !== 0;
    case STRING:
      return decodeText(cursor);
    case ECMA_ARRAY:
      cursor.at += 4;
      return decodeFields(cursor, depth);
    case OBJECT:
      return decodeFields(cursor, depth);
    case NULL:
      return null;
    case UNDEFINED:
      return undefined;
    case STRICT_ARRAY: {
      const count = bytes.readUInt32BE(cursor.at);
      cursor.at += 4;
      if (count > bytes.length) throw new RangeError("longer than its message");
      return Array.from({ length: count }, () => decodeValue(cursor, depth + 1));
    }
    default:
      throw new RangeError(`unknown type ${type}`);
  }
}

function decodeFields(cursor: Cursor, depth: number): { [key: string]: AmfValue } {
  const fields: { [key: string]: AmfValue } = {};
  for (;;) {
    const key = decodeText(cursor);
    if (key === "" && cursor.bytes.readUInt8(cursor.at) === OBJECT_END) {
      cursor.at += 1;
      return fields;
    }
    fields[key] = decodeValue(cursor, depth + 1);
  }
}

function decodeText(cursor: Cursor): string {
  const size = cursor.bytes.readUInt16BE(cursor.at);
  if (cursor.at + 2 + size > cursor.bytes.length) throw new RangeError("cut short");
  cursor.at += 2 + size;
  return cursor.bytes.toString("utf8", cursor.at - size, cursor.at);
}
