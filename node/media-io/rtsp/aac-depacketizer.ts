import { MAX_FRAME_BYTES } from "@leat/sdk/protocol/limits.ts";
import type { RtpPacket } from "../webrtc/rtp.ts";

export interface AudioUnit {
  readonly timestamp: number;
  readonly data: Uint8Array;
}

/** What the description says of the heads in each packet. */
export interface AacParameters {
  /** AudioSpecificConfig. */
  readonly config: Uint8Array;
  readonly sizeBits: number;
  readonly indexBits: number;
}

/** A second of the shortest units. */
const MAX_UNITS = 256;

/** Undefined where it is no AAC in the form that RFC 3640 calls high bit-rate, or low. */
export function readAacParameters(parameters: string): AacParameters | undefined {
  const value = (name: string) =>
    new RegExp(`(?:^|;)\\s*${name}\\s*=\\s*"?([^;"\\s]*)`, "i").exec(parameters)?.[1] ?? "";
  const hex = value("config");
  const [sizeBits, indexBits] = [Number(value("sizelength")), Number(value("indexlength"))];
  const isFit = /^([0-9a-fA-F]{2}){2,64}$/.test(hex) && [6, 13].includes(sizeBits) && sizeBits + indexBits <= 16;
  if (!isFit || !/^aac-(hbr|lbr)$/i.test(value("mode"))) return undefined;
  return { config: Buffer.from(hex, "hex"), sizeBits, indexBits };
}

/** AAC out of its packets (RFC 3640): several units in one, or one in several. */
export class AacDepacketizer {
  readonly #parameters: AacParameters;
  readonly #samplesPerUnit: number;
  #pieces: Uint8Array[] = [];
  #held = 0;
  #wanted = 0;
  #malformed = 0;

  constructor(parameters: AacParameters, samplesPerUnit: number) {
    this.#parameters = parameters;
    this.#samplesPerUnit = samplesPerUnit;
  }

  get malformed(): number {
    return this.#malformed;
  }

  /** The unit that had begun is lost. */
  lose(): void {
    this.#pieces = [];
    this.#held = 0;
  }

  push({ timestamp, marker, payload }: RtpPacket): AudioUnit[] {
    const sizes = this.#readSizes(payload);
    if (sizes === undefined) {
      this.#malformed += 1;
      this.lose();
      return [];
    }
    const data = payload.subarray(2 + this.#headBytes(sizes.length));
    const [first] = sizes;
    if (sizes.length === 1 && (first! > data.length || this.#held > 0))
      return this.#join(timestamp, marker, first!, data);
    this.lose();
    const units: AudioUnit[] = [];
    let offset = 0;
    for (const [index, size] of sizes.entries()) {
      if (offset + size > data.length) {
        this.#malformed += 1;
        break;
      }
      const unitAt = (timestamp + index * this.#samplesPerUnit) % 2 ** 32;
      if (size > 0) units.push({ timestamp: unitAt, data: data.subarray(offset, offset + size) });
      offset += size;
    }
    return units;
  }

  #headBytes(units: number): number {
    const { sizeBits, indexBits } = this.#parameters;
    return Math.ceil((units * (sizeBits + indexBits)) / 8);
  }

  #readSizes(payload: Uint8Array): number[] | undefined {
    if (payload.length < 2) return undefined;
    const { sizeBits, indexBits } = this.#parameters;
    const unitBits = sizeBits + indexBits;
    const bits = payload[0]! * 256 + payload[1]!;
    const count = Math.floor(bits / unitBits);
    if (count < 1 || count > MAX_UNITS || 2 + this.#headBytes(count) > payload.length) return undefined;
    return Array.from({ length: count }, (_, index) => {
      const at = 16 + index * unitBits;
      // Three bytes hold any 13 bits.
      const from = at >> 3;
      const window = payload[from]! * 65_536 + (payload[from + 1] ?? 0) * 256 + (payload[from + 2] ?? 0);
      return (window >> (24 - (at & 7) - sizeBits)) & (2 ** sizeBits - 1);
    });
  }

  /** One unit that is larger than a packet: each has its whole size. */
  #join(timestamp: number, marker: boolean, size: number, data: Uint8Array): AudioUnit[] {
    if (this.#held > 0 && this.#wanted !== size) this.lose();
    if (data.length === 0) {
      // It would be held, and bring no unit nearer to its end.
      this.#malformed += 1;
      this.lose();
      return [];
    }
    this.#wanted = size;
    this.#pieces.push(data);
    this.#held += data.length;
    if (this.#held < size && !marker && this.#held < MAX_FRAME_BYTES) return [];
    const unit = Buffer.concat(this.#pieces);
    this.lose();
    if (unit.length === size) return [{ timestamp, data: unit }];
    this.#malformed += 1;
    return [];
  }
}
