import { parseVp8Header } from "@leat/sdk/protocol/bitstream/vp8.ts";
import { type SourceVideoConfig, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { MAX_FRAME_BYTES } from "@leat/sdk/protocol/limits.ts";
import { MAX_FRAME_UNITS } from "../webrtc/limits.ts";
import type { RtpPacket } from "../webrtc/rtp.ts";
import type { DepacketizedPicture, VideoDepacketizer } from "./depacketizer.ts";
import { WhipError } from "./errors.ts";

interface Descriptor {
  readonly begins: boolean;
  readonly data: Uint8Array;
}

/** VP8 (RFC 7741). Nothing in a packet but the marker says that its picture ends: the next one's time does too. */
export class Vp8Depacketizer implements VideoDepacketizer {
  #timestamp: number | undefined;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #broken = false;
  #needsKey = true;
  #malformed = 0;
  #shape = "";

  get needsKey(): boolean {
    return this.#needsKey;
  }

  get malformed(): number {
    return this.#malformed;
  }

  push({ timestamp, marker, payload }: RtpPacket): DepacketizedPicture[] {
    const pictures: DepacketizedPicture[] = [];
    if (this.#timestamp !== undefined && timestamp !== this.#timestamp) pictures.push(...this.#finish());
    this.#timestamp = timestamp;
    const descriptor = readDescriptor(payload);
    if (descriptor === undefined) this.#spoil();
    else this.#take(descriptor);
    if (marker) pictures.push(...this.#finish());
    return pictures;
  }

  lose(): void {
    this.#needsKey = true;
    this.#drop();
    this.#broken = true;
    // Else the next packet would end the picture before it, and with that the doubt about its own.
    this.#timestamp = undefined;
  }

  #take({ begins, data }: Descriptor): void {
    if (this.#broken && !begins) return;
    this.#broken = false;
    const isOpen = this.#pieces.length > 0;
    if (begins === isOpen || this.#pieces.length >= MAX_FRAME_UNITS) {
      this.#spoil();
      return;
    }
    this.#bytes += data.length;
    if (this.#bytes > MAX_FRAME_BYTES) throw new WhipError({ code: "WHIP_FRAME_TOO_LARGE", limit: MAX_FRAME_BYTES });
    this.#pieces.push(data);
  }

  #spoil(): void {
    this.#malformed += 1;
    this.#needsKey = true;
    this.#drop();
    this.#broken = true;
  }

  #drop(): void {
    this.#pieces = [];
    this.#bytes = 0;
    this.#broken = false;
  }

  #finish(): DepacketizedPicture[] {
    const timestamp = this.#timestamp!;
    const data = Buffer.concat(this.#pieces);
    this.#timestamp = undefined;
    this.#drop();
    if (data.length === 0) {
      this.#needsKey = true;
      return [];
    }
    const { key, size } = parseVp8Header(data);
    if (this.#needsKey && !key) return [];
    this.#needsKey = false;
    return [{ timestamp, key, data, config: size === undefined ? undefined : this.#configure(size) }];
  }

  #configure({ width, height }: { width: number; height: number }): SourceVideoConfig | undefined {
    const shape = `${width}x${height}`;
    if (shape === this.#shape) return undefined;
    this.#shape = shape;
    const description = new Uint8Array(0);
    return { kind: "video", codec: "vp8", timescale: VIDEO_TIMESCALE, width, height, description, codecString: "vp8" };
  }
}

/** The payload descriptor and what stands behind it; undefined where it is cut short. */
function readDescriptor(payload: Uint8Array): Descriptor | undefined {
  const first = payload[0] ?? 0;
  let offset = 1;
  if ((first & 0x80) !== 0) {
    const extension = payload[offset] ?? 0;
    offset += 1;
    // The picture's number, of one byte or two; its place among layers of time; which of these it is, or its group.
    if ((extension & 0x80) !== 0) offset += ((payload[offset] ?? 0) & 0x80) === 0 ? 1 : 2;
    if ((extension & 0x40) !== 0) offset += 1;
    if ((extension & 0x30) !== 0) offset += 1;
  }
  if (offset >= payload.length) return undefined;
  // Other partitions than the first begin anew too.
  return { begins: (first & 0x10) !== 0 && (first & 0x07) === 0, data: payload.subarray(offset) };
}
