import { parseAudioSpecificConfig } from "@leat/sdk/protocol/bitstream/aac.ts";
import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import type { AudioConfig } from "@leat/sdk/protocol/frame.ts";
import type { PublishItem } from "@leat/sdk/protocol/published.ts";
import type { PesPacket } from "./pes.ts";
import type { TrackReader, Unwrap } from "./track-reader.ts";
import { toMs } from "./ts-clock.ts";

const HEAD_BYTES = 7;
const CHECKSUM_BYTES = 2;
const TICKS_PER_SECOND = 90_000;
const SAMPLES = 1_024;

interface AdtsHead {
  readonly headBytes: number;
  readonly frameBytes: number;
  /** The AudioSpecificConfig that says the same. */
  readonly description: Uint8Array;
}

/** AAC in ADTS. Frames may begin in one PES packet and end in the next. */
export class AacReader implements TrackReader {
  readonly #unwrap: Unwrap;
  #rest: Uint8Array = new Uint8Array(0);
  #config: AudioConfig | undefined;
  /** Of the next frame, unwrapped. */
  #next: number | undefined;
  #leftOut = 0;

  constructor(unwrap: Unwrap) {
    this.#unwrap = unwrap;
  }

  get leftOut(): number {
    return this.#leftOut;
  }

  lose(): void {
    this.#rest = new Uint8Array(0);
    this.#next = undefined;
  }

  push({ pts, data }: PesPacket): PublishItem[] {
    const bytes = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    // A packet's time is that of the first frame that begins in it.
    const begins = this.#rest.length;
    let time = pts === undefined ? undefined : this.#unwrap(pts);
    const items: PublishItem[] = [];
    let at = 0;
    while (at + HEAD_BYTES <= bytes.length) {
      const head = parseHead(bytes, at);
      if (head === undefined) {
        at = this.#resume(bytes, at + 1);
        continue;
      }
      if (at + head.frameBytes > bytes.length) break;
      if (at >= begins && time !== undefined) {
        this.#next = time;
        time = undefined;
      }
      items.push(...this.#frame(head, bytes.subarray(at + head.headBytes, at + head.frameBytes)));
      at += head.frameBytes;
    }
    this.#rest = Uint8Array.from(bytes.subarray(at));
    // The frame that is left began here, with this time.
    if (time !== undefined && at >= begins) this.#next = time;
    return items;
  }

  #resume(bytes: Uint8Array, from: number): number {
    this.#leftOut += 1;
    let at = from;
    while (at + HEAD_BYTES <= bytes.length && parseHead(bytes, at) === undefined) at += 1;
    return at;
  }

  #frame({ description }: AdtsHead, data: Uint8Array): PublishItem[] {
    const config = this.#configure(description);
    const time = this.#next;
    if (this.#config === undefined || time === undefined || data.length === 0) {
      this.#leftOut += 1;
      return [];
    }
    this.#next = time + (SAMPLES * TICKS_PER_SECOND) / this.#config.sampleRate;
    const sample: PublishItem = { type: "audio", sample: { dtsMs: toMs(time), data: Uint8Array.from(data) } };
    return config === undefined ? [sample] : [{ type: "config", config }, sample];
  }

  /** A head that makes no sense is an accident where one did before. */
  #configure(description: Uint8Array): AudioConfig | undefined {
    if (this.#config !== undefined && Buffer.compare(this.#config.description, description) === 0) return undefined;
    try {
      const { sampleRate, channels, codecString } = parseAudioSpecificConfig(description);
      const rates = { timescale: sampleRate, sampleRate, channels };
      this.#config = { kind: "audio", codec: "aac", ...rates, description, codecString };
      return this.#config;
    } catch (error) {
      if (!(error instanceof BitstreamError) || this.#config === undefined) throw error;
      this.#leftOut += 1;
      return undefined;
    }
  }
}

export function beginsAdts(bytes: Uint8Array): boolean {
  return bytes.length >= HEAD_BYTES && parseHead(bytes, 0) !== undefined;
}

/** Undefined where no frame begins. Several raw blocks in one frame are rarer than accidents: they are none either. */
function parseHead(bytes: Uint8Array, at: number): AdtsHead | undefined {
  const isSync = bytes[at] === 0xff && (bytes[at + 1]! & 0xf6) === 0xf0;
  if (!isSync || (bytes[at + 6]! & 3) !== 0) return undefined;
  const headBytes = HEAD_BYTES + ((bytes[at + 1]! & 1) === 0 ? CHECKSUM_BYTES : 0);
  const frameBytes = ((bytes[at + 3]! & 3) << 11) | (bytes[at + 4]! << 3) | (bytes[at + 5]! >> 5);
  if (frameBytes < headBytes) return undefined;
  const [second, third] = [bytes[at + 2]!, bytes[at + 3]!];
  const objectType = (second >> 6) + 1;
  const rateIndex = (second >> 2) & 0x0f;
  const channels = ((second & 1) << 2) | (third >> 6);
  const description = Uint8Array.of((objectType << 3) | (rateIndex >> 1), ((rateIndex & 1) << 7) | (channels << 3));
  return { headBytes, frameBytes, description };
}
