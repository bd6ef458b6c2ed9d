import { MAX_FRAME_BYTES } from "@leat/sdk/protocol/limits.ts";
import { MpegTsError } from "./errors.ts";
import { MAX_AUDIO_PES_BYTES, MAX_PES_OVERHEAD_BYTES, MAX_PES_PIECES } from "./limits.ts";

export interface PesPacket {
  /** Ticks of 90 kHz that wrap at 33 bits; undefined where the sender gives none. */
  readonly pts: number | undefined;
  /** The same as `pts` where only that is given. */
  readonly dts: number | undefined;
  readonly data: Uint8Array;
}

const limits = { video: MAX_FRAME_BYTES + MAX_PES_OVERHEAD_BYTES, audio: MAX_AUDIO_PES_BYTES } as const;
const FIXED_BYTES = 6;
const HEAD_BYTES = 9;

/** Puts the PES packets of one PID together. */
export class PesReader {
  readonly #limit: number;
  #pieces: Uint8Array[] = [];
  #size = 0;
  /** Bytes in all; 0 where only the next one's beginning tells. */
  #wanted = 0;
  #open = false;
  #broken = 0;

  constructor(kind: "video" | "audio") {
    this.#limit = limits[kind];
  }

  /** Those that came without their end or with a head that cannot be read. */
  get broken(): number {
    return this.#broken;
  }

  /** Packets are missing: what was begun is void. */
  lose(): void {
    if (this.#open) this.#broken += 1;
    this.#drop();
  }

  /** What became whole: up to two, one before `payload` and one with it. "broken" stands where one was lost. */
  push(payload: Uint8Array, starts: boolean): (PesPacket | "broken")[] {
    const whole: (PesPacket | "broken")[] = [];
    if (starts) {
      whole.push(...this.flush());
      this.#open = true;
      // A head cut off this early is read as one without a length.
      const length = payload.length >= FIXED_BYTES ? payload[4]! * 256 + payload[5]! : 0;
      this.#wanted = length === 0 ? 0 : FIXED_BYTES + length;
    }
    if (!this.#open) return whole;
    this.#pieces.push(payload);
    this.#size += payload.length;
    // Each piece keeps the packet alive that it came in, however little it carried.
    if (this.#size > this.#limit || this.#pieces.length > MAX_PES_PIECES) {
      throw new MpegTsError({ code: "MPEGTS_FRAME_TOO_LARGE", sizeBytes: this.#size, limit: this.#limit });
    }
    if (this.#wanted > 0 && this.#size >= this.#wanted) whole.push(...this.flush());
    return whole;
  }

  /** Nothing more belongs to what was begun. */
  flush(): (PesPacket | "broken")[] {
    if (!this.#open) return [];
    const bytes = Buffer.concat(this.#pieces);
    const wanted = this.#wanted;
    this.#drop();
    const packet = bytes.length < wanted ? undefined : parsePes(wanted === 0 ? bytes : bytes.subarray(0, wanted));
    if (packet !== undefined) return [packet];
    this.#broken += 1;
    return ["broken"];
  }

  #drop(): void {
    this.#pieces = [];
    this.#size = 0;
    this.#open = false;
  }
}

function parsePes(bytes: Uint8Array): PesPacket | undefined {
  const isStart = bytes.length >= HEAD_BYTES && bytes[0] === 0 && bytes[1] === 0 && bytes[2] === 1;
  if (!isStart || (bytes[6]! & 0xc0) !== 0x80) return undefined;
  const flags = bytes[7]! >> 6;
  const from = HEAD_BYTES + bytes[8]!;
  const timeBytes = flags === 3 ? 10 : flags === 2 ? 5 : 0;
  if (from > bytes.length || bytes[8]! < timeBytes) return undefined;
  const pts = timeBytes > 0 ? readTime(bytes, HEAD_BYTES) : undefined;
  const dts = timeBytes > 5 ? readTime(bytes, HEAD_BYTES + 5) : pts;
  return { pts, dts, data: bytes.subarray(from) };
}

/** 33 bits among marker bits. */
function readTime(bytes: Uint8Array, at: number): number {
  const high = (bytes[at]! >> 1) & 7;
  const middle = (bytes[at + 1]! << 7) | (bytes[at + 2]! >> 1);
  const low = (bytes[at + 3]! << 7) | (bytes[at + 4]! >> 1);
  return high * 2 ** 30 + middle * 2 ** 15 + low;
}
