import { findVp9Key, type Vp9Header, writeVp9Record } from "@leat/sdk/protocol/bitstream/vp9.ts";
import { VIDEO_TIMESCALE, type VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { MAX_FRAME_BYTES } from "@leat/sdk/protocol/limits.ts";
import { MAX_FRAME_UNITS } from "../webrtc/limits.ts";
import type { RtpPacket } from "../webrtc/rtp.ts";
import type { DepacketizedPicture, VideoDepacketizer } from "./depacketizer.ts";
import { WhipError } from "./errors.ts";

interface Descriptor {
  readonly begins: boolean;
  readonly ends: boolean;
  readonly layer: number;
  readonly data: Uint8Array;
}

/** VP9 (RFC 9628) of one spatial layer. */
export class Vp9Depacketizer implements VideoDepacketizer {
  #timestamp: number | undefined;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #open = false;
  #ended = false;
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
  }

  #take({ begins, ends, layer, data }: Descriptor): void {
    // A decoder needs all layers as one picture of several sizes, which no rendition here is.
    if (layer > 0) throw new WhipError({ code: "WHIP_LAYERS_UNSUPPORTED", layer });
    if (begins === this.#open || this.#pieces.length >= MAX_FRAME_UNITS) {
      this.#spoil();
      return;
    }
    this.#open = true;
    this.#bytes += data.length;
    if (this.#bytes > MAX_FRAME_BYTES) throw new WhipError({ code: "WHIP_FRAME_TOO_LARGE", limit: MAX_FRAME_BYTES });
    this.#pieces.push(data);
    this.#ended = ends;
  }

  #spoil(): void {
    this.#malformed += 1;
    this.#needsKey = true;
    this.#drop();
  }

  #drop(): void {
    this.#pieces = [];
    this.#bytes = 0;
    this.#open = false;
    this.#ended = false;
  }

  #finish(): DepacketizedPicture[] {
    const timestamp = this.#timestamp!;
    const isWhole = this.#ended;
    const data = Buffer.concat(this.#pieces);
    this.#timestamp = undefined;
    this.#drop();
    if (!isWhole || data.length === 0) {
      this.#needsKey = true;
      return [];
    }
    const header = findVp9Key(data);
    const key = header !== undefined;
    if (this.#needsKey && !key) return [];
    this.#needsKey = false;
    return [{ timestamp, key, data, config: header === undefined ? undefined : this.#configure(header) }];
  }

  #configure(header: Vp9Header): VideoConfig | undefined {
    const { width = 0, height = 0 } = header;
    const shape = `${width}x${height} ${header.profile} ${header.bitDepth}`;
    if (shape === this.#shape) return undefined;
    this.#shape = shape;
    return { kind: "video", codec: "vp9", timescale: VIDEO_TIMESCALE, width, height, ...writeVp9Record(header) };
  }
}

/** The payload descriptor and what stands behind it; undefined where it is cut short. */
function readDescriptor(payload: Uint8Array): Descriptor | undefined {
  const first = payload[0]!;
  const has = (bit: number) => (first & bit) !== 0;
  const isFlexible = has(0x10);
  let offset = 1;
  if (has(0x80)) offset += ((payload[offset] ?? 0) & 0x80) === 0 ? 1 : 2;
  let layer = 0;
  if (has(0x20)) {
    layer = ((payload[offset] ?? 0) >> 1) & 7;
    offset += isFlexible ? 1 : 2;
  }
  if (isFlexible && has(0x40)) {
    // Up to three references, each saying whether another follows.
    for (let count = 0; count < 3; count += 1) {
      const more = ((payload[offset] ?? 0) & 1) !== 0;
      offset += 1;
      if (!more) break;
    }
  }
  if (has(0x02)) {
    const end = skipStructure(payload, offset);
    if (end === undefined) return undefined;
    offset = end;
  }
  if (offset >= payload.length) return undefined;
  return { begins: has(0x08), ends: has(0x04), layer, data: payload.subarray(offset) };
}

/** Where the scalability structure ends. */
function skipStructure(payload: Uint8Array, from: number): number | undefined {
  const head = payload[from];
  if (head === undefined) return undefined;
  let offset = from + 1;
  if ((head & 0x10) !== 0) offset += 4 * ((head >> 5) + 1);
  if ((head & 0x08) !== 0) {
    const pictures = payload[offset];
    if (pictures === undefined) return undefined;
    offset += 1;
    for (let index = 0; index < pictures; index += 1) {
      const about = payload[offset];
      if (about === undefined) return undefined;
      offset += 1 + ((about >> 2) & 3);
    }
  }
  return offset;
}
