/** One packet of RTP (RFC 3550). `payload` is a view of what came. */
export interface RtpPacket {
  readonly payloadType: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
  readonly marker: boolean;
  readonly payload: Uint8Array;
}

const RTP_FIXED_BYTES = 12;
const EXTENSION_BYTES = 8;
/** Room for the head of a packet that we send, with the one extension that it may have. */
export const RTP_HEAD_BYTES = RTP_FIXED_BYTES + EXTENSION_BYTES;

/** By the second byte, as RFC 5761 tells the two apart on one port. */
export function isRtcp(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[1]! >= 192 && bytes[1]! <= 223;
}

/** Undefined for what is no packet of RTP. One of padding alone has an empty payload, and a number like any other. */
export function parseRtp(bytes: Uint8Array): RtpPacket | undefined {
  if (bytes.length < RTP_FIXED_BYTES || bytes[0]! >> 6 !== 2) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let start = RTP_FIXED_BYTES + 4 * (bytes[0]! & 0x0f);
  if ((bytes[0]! & 0x10) !== 0) {
    if (start + 4 > bytes.length) return undefined;
    start += 4 + 4 * view.getUint16(start + 2);
  }
  const padding = (bytes[0]! & 0x20) === 0 ? 0 : bytes.at(-1)!;
  const end = bytes.length - padding;
  if (start > end) return undefined;
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
  readonly playoutDelay?: PlayoutDelayExtension;
}

/** How late the receiver shall show what comes, at least: http://www.webrtc.org/experiments/rtp-hdrext/playout-delay */
export interface PlayoutDelayExtension {
  /** What the two sides agreed to call it, 1 to 14. */
  readonly id: number;
  readonly leastMs: number;
}

const ONE_BYTE_PROFILE = 0xbede;
/** Ten seconds, in its units of ten milliseconds: less would bound what the receiver chooses by itself. */
const MOST_DELAY = 1_000;

/** Writes a head into the room before the payload, RTP_HEAD_BYTES; gives the packet, without what is left of the room. */
export function writeRtpHead(room: Uint8Array, head: RtpHead): Uint8Array {
  const { payloadType, marker, sequence, timestamp, ssrc, playoutDelay } = head;
  const bytes = playoutDelay === undefined ? room.subarray(EXTENSION_BYTES) : room;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint8(0, playoutDelay === undefined ? 0x80 : 0x90);
  view.setUint8(1, (marker ? 0x80 : 0) | payloadType);
  view.setUint16(2, sequence & 0xffff);
  view.setUint32(4, timestamp >>> 0);
  view.setUint32(8, ssrc >>> 0);
  if (playoutDelay !== undefined) {
    view.setUint16(12, ONE_BYTE_PROFILE);
    view.setUint16(14, 1);
    view.setUint8(16, (playoutDelay.id << 4) | 2);
    const least = Math.min(MOST_DELAY, Math.round(playoutDelay.leastMs / 10));
    view.setUint8(17, least >> 4);
    view.setUint8(18, ((least & 0x0f) << 4) | (MOST_DELAY >> 8));
    view.setUint8(19, MOST_DELAY & 0xff);
  }
  return bytes;
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
