/** What a server sends is small: chunks of this size hold every message of ours whole. */
export const SENT_CHUNK_BYTES = 4_096;

export interface MessageForm {
  readonly timeMs?: number;
  /** What the peer was told. */
  readonly chunkBytes?: number;
}

const EXTENDED = 0xffffff;

/** One message in one chunk (or more, when it is long), headers of type 0 and 3. */
export function writeMessage(
  chunkStream: number,
  type: number,
  streamId: number,
  payload: Uint8Array,
  { timeMs = 0, chunkBytes = SENT_CHUNK_BYTES }: MessageForm = {},
): Uint8Array {
  const header = Buffer.alloc(12);
  const extended = Buffer.alloc(timeMs >= EXTENDED ? 4 : 0);
  if (extended.length > 0) extended.writeUInt32BE(timeMs >>> 0);
  header[0] = chunkStream;
  header.writeUIntBE(Math.min(timeMs, EXTENDED), 1, 3);
  header.writeUIntBE(payload.length, 4, 3);
  header[7] = type;
  header.writeUInt32LE(streamId, 8);
  const pieces: Uint8Array[] = [header, extended];
  for (let offset = 0; offset < payload.length; offset += chunkBytes) {
    if (offset > 0) pieces.push(Uint8Array.of(0xc0 | chunkStream), extended);
    pieces.push(payload.subarray(offset, offset + chunkBytes));
  }
  return Buffer.concat(pieces);
}
