/** What a server sends is small: chunks of this size hold every message of ours whole. */
export const SENT_CHUNK_BYTES = 4_096;

/** One message in one chunk (or more, when it is long), headers of type 0 and 3. */
export function writeMessage(chunkStream: number, type: number, streamId: number, payload: Uint8Array): Uint8Array {
  const header = Buffer.alloc(12);
  header[0] = chunkStream;
  header.writeUIntBE(payload.length, 4, 3);
  header[7] = type;
  header.writeUInt32LE(streamId, 8);
  const pieces: Uint8Array[] = [header];
  for (let offset = 0; offset < payload.length; offset += SENT_CHUNK_BYTES) {
    if (offset > 0) pieces.push(Uint8Array.of(0xc0 | chunkStream));
    pieces.push(payload.subarray(offset, offset + SENT_CHUNK_BYTES));
  }
  return Buffer.concat(pieces);
}
