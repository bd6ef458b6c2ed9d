import type { SourceVideoConfig } from "@leat/sdk/protocol/frame.ts";
import { MAX_FRAME_BYTES } from "@leat/sdk/protocol/limits.ts";
import { MAX_FRAME_UNITS } from "../webrtc/limits.ts";
import type { RtpPacket } from "../webrtc/rtp.ts";
import type { DepacketizedPicture, VideoDepacketizer } from "./depacketizer.ts";
import { WhipError } from "./errors.ts";

/** What one packet brings of a picture. */
export interface VpxPiece {
  readonly begins: boolean;
  /** Whether the picture is whole with it; true where packets do not say. */
  readonly ends: boolean;
  readonly data: Uint8Array;
}

export interface VpxPicture {
  readonly key: boolean;
  /** Of a key frame: undefined where it brings none. */
  readonly config: SourceVideoConfig | undefined;
}

/** In what VP8 and VP9 differ. */
export interface VpxFormat {
  /** Undefined where the payload is cut short. */
  readonly readPiece: (payload: Uint8Array) => VpxPiece | undefined;
  readonly readPicture: (data: Uint8Array) => VpxPicture;
  /** Two configurations of one shape are the same. */
  readonly shapeOf: (config: SourceVideoConfig) => string;
}

/** Pictures whose packets follow each other with a head of their own each, and lie in one piece. */
export class VpxDepacketizer implements VideoDepacketizer {
  readonly #format: VpxFormat;
  #timestamp: number | undefined;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #isWhole = false;
  #broken = false;
  #needsKey = true;
  #malformed = 0;
  #shape: string | undefined;

  constructor(format: VpxFormat) {
    this.#format = format;
  }

  get needsKey(): boolean {
    return this.#needsKey;
  }

  get malformed(): number {
    return this.#malformed;
  }

  push({ timestamp, marker, payload }: RtpPacket): DepacketizedPicture[] {
    const pictures: DepacketizedPicture[] = [];
    // The packet with the mark was lost, or the sender sets none.
    if (this.#timestamp !== undefined && timestamp !== this.#timestamp) pictures.push(...this.#finish());
    this.#timestamp = timestamp;
    const piece = this.#format.readPiece(payload);
    if (piece === undefined) this.#spoil();
    else this.#take(piece);
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

  #take({ begins, ends, data }: VpxPiece): void {
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
    this.#isWhole = ends;
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
    this.#isWhole = false;
    this.#broken = false;
  }

  #finish(): DepacketizedPicture[] {
    const timestamp = this.#timestamp!;
    const isWhole = this.#isWhole;
    const data = Buffer.concat(this.#pieces);
    this.#timestamp = undefined;
    this.#drop();
    if (!isWhole) {
      this.#needsKey = true;
      return [];
    }
    const { key, config } = this.#format.readPicture(data);
    if (this.#needsKey && !key) return [];
    this.#needsKey = false;
    return [{ timestamp, key, data, config: config && this.#newest(config) }];
  }

  #newest(config: SourceVideoConfig): SourceVideoConfig | undefined {
    const shape = this.#format.shapeOf(config);
    if (shape === this.#shape) return undefined;
    this.#shape = shape;
    return config;
  }
}
