import { MpegTsError } from "./errors.ts";
import { MAX_GARBAGE_BYTES } from "./limits.ts";

export const PACKET_BYTES = 188;
const SYNC = 0x47;
/** Packets in a row that make a place a packet's beginning and no accident. */
const ROW = 3;
/** With a time before each, or with parity behind each. */
const otherSizes = [192, 204];
/** Enough to tell every size by a row of packets. */
const SEARCHED_BYTES = 204 * (ROW + 1);
/** What packets of another size would have to stand in for those to be told by their size. */
const SIZED_AT_FIRST_BYTES = 4_096;

/** One packet, taken apart. */
export interface TsPacket {
  readonly pid: number;
  /** A table or PES packet begins in it. */
  readonly starts: boolean;
  readonly scrambled: boolean;
  /** The sender knows it to be broken. */
  readonly damaged: boolean;
  readonly counter: number;
  /** The counter may jump here. */
  readonly discontinuity: boolean;
  /** Undefined where it carries none. */
  readonly payload: Uint8Array | undefined;
}

/** Finds packets in bytes that come in pieces of any size, and finds them again after garbage. */
export class PacketReader {
  #rest: Uint8Array = new Uint8Array(0);
  #locked = true;
  #read = 0;
  #garbage = 0;
  #garbageInARow = 0;

  /** Bytes that were no packet. */
  get garbageBytes(): number {
    return this.#garbage;
  }

  /**
   * Payloads are views of `bytes`: the caller leaves them alone from now on.
   * @throws MPEGTS_SYNC_LOST, MPEGTS_PACKET_SIZE_UNSUPPORTED
   */
  *read(bytes: Uint8Array): Generator<TsPacket, void> {
    const data = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let offset = 0;
    for (;;) {
      if (this.#locked && offset + PACKET_BYTES > data.length) break;
      if (this.#locked && data[offset] === SYNC) {
        const packet = parsePacket(data.subarray(offset, offset + PACKET_BYTES));
        offset += PACKET_BYTES;
        this.#read += PACKET_BYTES;
        this.#garbageInARow = 0;
        if (packet !== undefined) yield packet;
        continue;
      }
      this.#locked = false;
      if (data.length - offset < SEARCHED_BYTES) break;
      offset += this.#search(data, offset);
    }
    this.#rest = Uint8Array.from(data.subarray(offset));
  }

  /** How many bytes to leave out, up to the next packet or up to where one cannot be told yet. */
  #search(data: Uint8Array, from: number): number {
    let at = from;
    for (; data.length - at >= SEARCHED_BYTES; at += 1) {
      if (data[at] !== SYNC) continue;
      if (isRow(data, at, PACKET_BYTES)) {
        this.#locked = true;
        break;
      }
      const size = otherSizes.find((other) => isRow(data, at, other));
      if (size !== undefined && this.#read + this.#garbage <= SIZED_AT_FIRST_BYTES) {
        throw new MpegTsError({ code: "MPEGTS_PACKET_SIZE_UNSUPPORTED", packetBytes: size });
      }
    }
    const skipped = at - from;
    this.#garbage += skipped;
    this.#garbageInARow += skipped;
    if (this.#garbageInARow > MAX_GARBAGE_BYTES) {
      throw new MpegTsError({ code: "MPEGTS_SYNC_LOST", sizeBytes: this.#garbageInARow });
    }
    return skipped;
  }
}

function isRow(data: Uint8Array, at: number, size: number): boolean {
  for (let index = 1; index <= ROW; index += 1) if (data[at + index * size] !== SYNC) return false;
  return true;
}

/** Undefined for one whose parts contradict each other. */
function parsePacket(bytes: Uint8Array): TsPacket | undefined {
  const [, first, second, third] = bytes as Uint8Array & [number, number, number, number];
  const hasField = (third & 0x20) !== 0;
  const hasPayload = (third & 0x10) !== 0;
  const fieldBytes = hasField ? 1 + bytes[4]! : 0;
  const from = 4 + fieldBytes;
  if (from > PACKET_BYTES) return undefined;
  return {
    pid: ((first & 0x1f) << 8) | second,
    starts: (first & 0x40) !== 0,
    damaged: (first & 0x80) !== 0,
    scrambled: third >> 6 !== 0,
    counter: third & 0x0f,
    discontinuity: fieldBytes > 1 && (bytes[5]! & 0x80) !== 0,
    payload: hasPayload && from < PACKET_BYTES ? bytes.subarray(from) : undefined,
  };
}
