/** A tag as an FLV file, and an aggregate of RTMP, holds it. */
export function flvTag(type: number, body: Uint8Array, timeMs = 0): Buffer {
  const head = Buffer.alloc(11);
  head[0] = type;
  head.writeUIntBE(body.length, 1, 3);
  head.writeUIntBE(timeMs & 0xffffff, 4, 3);
  head[7] = timeMs >>> 24;
  return Buffer.concat([head, body, Buffer.alloc(4)]);
}
