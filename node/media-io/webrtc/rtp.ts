/** One packet of RTP (RFC 3550). `payload` is a view of what came. */
export interface RtpPacket {
  readonly payloadType: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
  readonly marker: boolean;
  readonly payload: Uint8Array;
}

export const RTP_HEAD_BYTES = 12;

/** By the second byte, as RFC 5761 tells the two apart on one port. */
export function isRtcp(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[1]! >= 192 && bytes[1]! <= 223;
}

/** Undefined for what is no packet of RTP, or none with a payload. */
export function parseRtp(bytes: Uint8Array): RtpPacket | undefined {
  if (bytes.length < RTP_HEAD_BYTES || bytes[0]! >> 6 !== 2) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let start = RTP_HEAD_BYTES + 4 * (bytes[0]! & 0x0f);
  if ((bytes[0]! & 0x10) !== 0) {
    if (start + 4 > bytes.length) return undefined;
    start += 4 + 4 * view.getUint16(start + 2);
  }
  const padding = (bytes[0]! & 0x20) === 0 ? 0 : bytes.at(-1)!;
  const end = bytes.length - padding;
  if (start >= end) return undefined;
  return {
    payloadType: bytes[1]! & 0x7f,
    sequence: view.getUint16(2),
    timestamp: view.getUint32(4),
    ssrc: view.getUint32(8),
    marker: (bytes[1]! & 0x80) !== 0,
    payload: bytes.subarray(start, end),
  };
}

export interface RtpHead {
  readonly payloadType: number;
  readonly marker: boolean;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
}

/** Writes a head over the first 12 bytes. */
export function writeRtpHead(bytes: Uint8Array, { payloadType, marker, sequence, timestamp, ssrc }: RtpHead): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint8(0, 0x80);
  view.setUint8(1, (marker ? 0x80 : 0) | payloadType);
  view.setUint16(2, sequence & 0xffff);
  view.setUint32(4, timestamp >>> 0);
  view.setUint32(8, ssrc >>> 0);
}

/** Makes numbers that wrap after so many bits rise for ever: each is taken to be near to the one before. */
export class Unwrapper {
  readonly #range: number;
  #last: number | undefined;

  constructor(bits: number) {
    this.#range = 2 ** bits;
  }

  unwrap(value: number): number {
    const found = this.peek(value);
    this.#last = found;
    return found;
  }

  /** The same without remembering it. */
  peek(value: number): number {
    if (this.#last === undefined) return value;
    const range = this.#range;
    const step = (((value - this.#last) % range) + range) % range;
    return this.#last + (step >= range / 2 ? step - range : step);
  }
}
