import { RtmpWireError } from "./errors.ts";
import {
  MAX_BUFFERED_BYTES,
  MAX_CHUNK_BYTES,
  MAX_CHUNK_STREAMS,
  MAX_COMMAND_BYTES,
  MAX_MESSAGE_BYTES,
} from "./limits.ts";

export interface RtmpMessage {
  readonly type: number;
  readonly streamId: number;
  readonly timestamp: number;
  readonly payload: Uint8Array;
}

export const messageTypes = {
  setChunkSize: 1,
  abort: 2,
  acknowledgement: 3,
  userControl: 4,
  windowSize: 5,
  peerBandwidth: 6,
  audio: 8,
  video: 9,
  dataAmf3: 15,
  commandAmf3: 17,
  dataAmf0: 18,
  command: 20,
  aggregate: 22,
} as const;

/** The number that a control message is. */
export function readUint32({ type, payload }: Pick<RtmpMessage, "type" | "payload">): number {
  if (payload.length < 4) throw new RtmpWireError({ code: "RTMP_MESSAGE_INVALID", type });
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
}

const mediaTypes: ReadonlySet<number> = new Set([messageTypes.audio, messageTypes.video, messageTypes.aggregate]);

interface ChunkStream {
  timestamp: number;
  /** What a header of type 3 adds when it starts a message. */
  delta: number;
  /** The last header's 24 bits were all set: four more bytes follow every header of this stream. */
  extended: boolean;
  size: number;
  type: number;
  streamId: number;
  received: number;
  /** Grows as the body comes: a header alone must not make us allocate what it promises. */
  body: Uint8Array;
}

const DEFAULT_CHUNK_BYTES = 128;
const headerSizes = [11, 7, 3, 0] as const;
const EXTENDED = 0xffffff;
/** Most pictures that come in pieces are no larger: they are copied once. */
const SMALLEST_BODY = 65_536;
/** A message that is a smaller fraction of what was read is copied: it must not keep all of that in memory. */
const COPIED_BELOW = 16;
/** Bodies of this size and smaller, as most sound, share their memory with others: one of its own costs more than they do. */
const LARGEST_SHARED = 4_096;
const empty = new Uint8Array(0);

/** Puts messages together from chunks. Holds no more than `MAX_BUFFERED_BYTES`, whatever comes. */
export class ChunkReader {
  readonly #streams = new Map<number, ChunkStream>();
  #chunkSize = DEFAULT_CHUNK_BYTES;
  #rest: Uint8Array = empty;
  /** The chunk whose body is being read, and how much of it is still to come. */
  #current: ChunkStream | undefined;
  #missing = 0;
  #buffered = 0;
  #maxMediaBytes: number;

  /** `maxMediaBytes`: of one audio or video message, until `takeMedia` is called. */
  constructor(maxMediaBytes = MAX_MESSAGE_BYTES) {
    this.#maxMediaBytes = maxMediaBytes;
  }

  /** Somebody has a use for audio and video from now on. */
  takeMedia(): void {
    this.#maxMediaBytes = MAX_MESSAGE_BYTES;
  }

  get bufferedBytes(): number {
    return this.#buffered + this.#rest.length;
  }

  setChunkSize(sizeBytes: number): void {
    if (sizeBytes < 1 || sizeBytes > MAX_CHUNK_BYTES)
      throw new RtmpWireError({ code: "RTMP_CHUNK_SIZE_INVALID", sizeBytes });
    this.#chunkSize = sizeBytes;
  }

  /** The peer gave up a message that it had begun. */
  abort(chunkStream: number): void {
    const stream = this.#streams.get(chunkStream);
    if (stream !== undefined) this.#discard(stream);
  }

  /** Messages complete with these bytes, one at a time: a change of the chunk size holds from the next chunk on. */
  *read(bytes: Uint8Array): Generator<RtmpMessage> {
    let data = bytes;
    if (this.#rest.length > 0) data = Buffer.concat([this.#rest, bytes]);
    this.#rest = empty;
    let offset = 0;
    for (;;) {
      if (this.#current === undefined) {
        const header = this.#readHeader(data, offset);
        if (header === 0) break;
        offset += header;
      }
      const stream: ChunkStream = this.#current!;
      const size = Math.min(this.#missing, data.length - offset);
      if (size === stream.size && size * COPIED_BELOW >= data.length) {
        // All of it at once, as most pictures and packets are.
        this.#current = undefined;
        offset += size;
        yield messageOf(stream, data.subarray(offset - size, offset));
        continue;
      }
      this.#append(stream, data.subarray(offset, offset + size));
      this.#missing -= size;
      offset += size;
      if (this.#missing > 0) return;
      this.#current = undefined;
      if (stream.received < stream.size) continue;
      yield this.#complete(stream);
    }
    this.#rest = Uint8Array.prototype.slice.call(data, offset);
  }

  #append(stream: ChunkStream, bytes: Uint8Array): void {
    this.#buffered += bytes.length;
    if (this.#buffered > MAX_BUFFERED_BYTES) {
      throw new RtmpWireError({ code: "RTMP_BUFFER_EXCEEDED", limit: MAX_BUFFERED_BYTES });
    }
    const wanted = stream.received + bytes.length;
    if (wanted > stream.body.length) {
      const grown = createBody(Math.min(stream.size, Math.max(wanted, stream.body.length * 2, SMALLEST_BODY)));
      grown.set(stream.body.subarray(0, stream.received));
      stream.body = grown;
    }
    stream.body.set(bytes, stream.received);
    stream.received = wanted;
  }

  #complete(stream: ChunkStream): RtmpMessage {
    const payload = stream.body.subarray(0, stream.size);
    this.#discard(stream);
    return messageOf(stream, payload);
  }

  #discard(stream: ChunkStream): void {
    this.#buffered -= stream.received;
    stream.received = 0;
    stream.body = empty;
  }

  /** Reads a chunk's headers, which begin at `at`; gives their size, 0 when they are not all there yet. */
  #readHeader(data: Uint8Array, at: number): number {
    const available = data.length - at;
    if (available === 0) return 0;
    const format = data[at]! >> 6;
    const short = data[at]! & 0x3f;
    const basic = short === 0 ? 2 : short === 1 ? 3 : 1;
    if (available < basic) return 0;
    const id = short === 0 ? 64 + data[at + 1]! : short === 1 ? 64 + data[at + 1]! + data[at + 2]! * 256 : short;
    let size = basic + headerSizes[format as 0 | 1 | 2 | 3];
    if (available < size) return 0;
    const known = this.#streams.get(id);
    if (known === undefined && format !== 0)
      throw new RtmpWireError({ code: "RTMP_CHUNK_HEADER_MISSING", chunkStream: id });
    const body = at + basic;
    const field = format === 3 ? 0 : readUint24(data, body);
    const extended = format === 3 ? known!.extended : field === EXTENDED;
    if (extended) size += 4;
    if (available < size) return 0;
    const time = extended ? data[at + size - 4]! * 2 ** 24 + readUint24(data, at + size - 3) : field;
    const stream = known ?? this.#addStream(id);
    stream.extended = extended;
    if (format !== 3) {
      // A new header in the middle of a message: the message was given up.
      this.#discard(stream);
      if (format !== 2) {
        stream.size = readUint24(data, body + 3);
        stream.type = data[body + 6]!;
      }
      // The only field of RTMP that is little endian.
      if (format === 0) stream.streamId = new DataView(data.buffer, data.byteOffset + body + 7, 4).getUint32(0, true);
    }
    if (stream.received === 0) this.#startMessage(stream, format, time);
    this.#missing = Math.min(this.#chunkSize, stream.size - stream.received);
    this.#current = stream;
    return size;
  }

  #startMessage(stream: ChunkStream, format: number, time: number): void {
    if (format === 0) {
      stream.timestamp = time;
      // By the letter a message of header type 3 after type 0 adds the whole timestamp again; no publisher means that.
      stream.delta = 0;
    } else {
      if (format !== 3) stream.delta = time;
      stream.timestamp = (stream.timestamp + stream.delta) % 2 ** 32;
    }
    const limit = mediaTypes.has(stream.type) ? this.#maxMediaBytes : MAX_COMMAND_BYTES;
    if (stream.size > limit) throw new RtmpWireError({ code: "RTMP_MESSAGE_TOO_LARGE", sizeBytes: stream.size, limit });
  }

  #addStream(id: number): ChunkStream {
    if (this.#streams.size >= MAX_CHUNK_STREAMS) {
      throw new RtmpWireError({ code: "RTMP_CHUNK_STREAMS_EXCEEDED", limit: MAX_CHUNK_STREAMS });
    }
    const stream: ChunkStream = {
      timestamp: 0,
      delta: 0,
      extended: false,
      size: 0,
      type: 0,
      streamId: 0,
      received: 0,
      body: empty,
    };
    this.#streams.set(id, stream);
    return stream;
  }
}

function readUint24(data: Uint8Array, at: number): number {
  return (data[at]! << 16) | (data[at + 1]! << 8) | data[at + 2]!;
}

function createBody(sizeBytes: number): Uint8Array {
  // What was in memory before is seen by nobody: no more of a body is ever given out than was received.
  if (sizeBytes > LARGEST_SHARED) return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer);
  const { buffer, byteOffset } = Buffer.allocUnsafe(sizeBytes);
  return new Uint8Array(buffer, byteOffset, sizeBytes);
}

function messageOf({ type, streamId, timestamp }: ChunkStream, payload: Uint8Array): RtmpMessage {
  return { type, streamId, timestamp, payload };
}
