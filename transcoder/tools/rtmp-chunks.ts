/** Messages of RTMP are cut into chunks of this size on their way out: large, so that a frame costs few headers. */
export const OUT_CHUNK_BYTES = 65_536;
const START_CHUNK_BYTES = 128;
/** Servers send commands and little else: more is a broken server. */
const MESSAGE_LIMIT_BYTES = 1024 * 1024;
const EXTENDED = 0xffffff;

export const MessageType = {
  setChunkSize: 1,
  acknowledgement: 3,
  userControl: 4,
  windowSize: 5,
  audio: 8,
  video: 9,
  data: 18,
  command: 20,
} as const;

export interface RtmpMessage {
  readonly type: number;
  readonly stream: number;
  readonly timeMs: number;
  readonly body: Buffer;
}

/** A message with a full header for its first chunk and none but the channel for the others. */
export function encodeMessage(channel: number, message: RtmpMessage, chunkBytes: number): Buffer {
  const { type, stream, timeMs, body } = message;
  const isExtended = timeMs >= EXTENDED;
  const head = Buffer.alloc(12);
  head[0] = channel;
  head.writeUIntBE(isExtended ? EXTENDED : timeMs, 1, 3);
  head.writeUIntBE(body.length, 4, 3);
  head[7] = type;
  head.writeUInt32LE(stream, 8);
  const extended = Buffer.alloc(isExtended ? 4 : 0);
  if (isExtended) extended.writeUInt32BE(timeMs >>> 0);
  const parts: Buffer[] = [head, extended];
  for (let at = 0; at === 0 || at < body.length; at += chunkBytes) {
    if (at > 0) parts.push(Buffer.from([0xc0 | channel]), extended);
    parts.push(body.subarray(at, at + chunkBytes));
  }
  return Buffer.concat(parts);
}

interface Channel {
  timeMs: number;
  length: number;
  type: number;
  stream: number;
  isExtended: boolean;
  parts: Buffer[];
  held: number;
}

/** Puts the chunks that a server sends together again. */
export class ChunkReader {
  #bytes: Buffer = Buffer.alloc(0);
  #chunkBytes = START_CHUNK_BYTES;
  readonly #channels = new Map<number, Channel>();

  /** The messages that `chunk` completed. Throws RangeError where the server breaks the protocol. */
  *push(chunk: Buffer): Generator<RtmpMessage> {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      const message = this.#readChunk();
      if (message === "more") return;
      if (message === "part") continue;
      if (message.type === MessageType.setChunkSize && message.body.length >= 4) {
        this.#chunkBytes = Math.max(1, message.body.readUInt32BE(0) & 0x7fffffff);
      }
      yield message;
    }
  }

  #readChunk(): RtmpMessage | "more" | "part" {
    const bytes = this.#bytes;
    if (bytes.length < 1) return "more";
    const format = bytes[0]! >> 6;
    let id = bytes[0]! & 0x3f;
    let at = 1;
    if (id < 2) {
      if (bytes.length < 2 + id) return "more";
      id = id === 0 ? bytes[1]! + 64 : bytes.readUInt16LE(1) + 64;
      at = bytes[0]! % 64 === 0 ? 2 : 3;
    }
    const headBytes = [11, 7, 3, 0][format]!;
    if (bytes.length < at + headBytes) return "more";
    const old = this.#channels.get(id);
    const channel: Channel = old ? { ...old } : newChannel();
    let timeField = format < 3 ? bytes.readUIntBE(at, 3) : channel.isExtended ? EXTENDED : 0;
    if (format < 2) {
      channel.length = bytes.readUIntBE(at + 3, 3);
      channel.type = bytes[at + 6]!;
    }
    if (format === 0) channel.stream = bytes.readUInt32LE(at + 7);
    at += headBytes;
    if (format < 3) channel.isExtended = timeField === EXTENDED;
    if (channel.isExtended) {
      if (bytes.length < at + 4) return "more";
      timeField = bytes.readUInt32BE(at);
      at += 4;
    }
    if (format === 0) channel.timeMs = timeField;
    else if (format < 3) channel.timeMs += timeField;
    if (channel.length > MESSAGE_LIMIT_BYTES) throw new RangeError(`a message of ${channel.length} bytes`);
    const take = Math.min(this.#chunkBytes, channel.length - channel.held);
    if (bytes.length < at + take) return "more";
    channel.parts = [...channel.parts, bytes.subarray(at, at + take)];
    channel.held += take;
    this.#bytes = bytes.subarray(at + take);
    this.#channels.set(id, channel);
    if (channel.held < channel.length) return "part";
    const body = Buffer.concat(channel.parts);
    channel.parts = [];
    channel.held = 0;
    return { type: channel.type, stream: channel.stream, timeMs: channel.timeMs, body };
  }
}

function newChannel(): Channel {
  return { timeMs: 0, length: 0, type: 0, stream: 0, isExtended: false, parts: [], held: 0 };
}
