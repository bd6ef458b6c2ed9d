import { messageTypes, type RtmpMessage } from "@leat/transcoder/rtmp/chunk-reader.ts";

const TAG_HEAD_BYTES = 11;
const TAG_TAIL_BYTES = 4;
/** Programs join what a fraction of a second brings. */
const MAX_AGGREGATED = 4_096;
const { audio, video, dataAmf0 } = messageTypes;
const tagTypes: ReadonlySet<number> = new Set([audio, video, dataAmf0]);

/**
 * An aggregate holds several as a file does; their times follow its own. Cut short, it ends where it ends. What no file
 * holds is left out, further aggregates too: nobody nests them but to do harm.
 */
export function* splitMessage(message: RtmpMessage): Generator<RtmpMessage> {
  const { type, streamId, timestamp, payload } = message;
  if (type !== messageTypes.aggregate) {
    yield message;
    return;
  }
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  let firstMs: number | undefined;
  let offset = 0;
  for (let count = 0; count < MAX_AGGREGATED && offset + TAG_HEAD_BYTES <= bytes.length; count += 1) {
    const size = bytes.readUIntBE(offset + 1, 3);
    const timeMs = bytes.readUIntBE(offset + 4, 3) + bytes[offset + 7]! * 2 ** 24;
    const from = offset + TAG_HEAD_BYTES;
    if (from + size > bytes.length) return;
    firstMs ??= timeMs;
    const shifted = (timestamp + timeMs - firstMs + 2 ** 32) % 2 ** 32;
    const held = { type: bytes[offset]!, streamId, timestamp: shifted, payload: payload.subarray(from, from + size) };
    if (tagTypes.has(held.type)) yield held;
    offset = from + size + TAG_TAIL_BYTES;
  }
}
