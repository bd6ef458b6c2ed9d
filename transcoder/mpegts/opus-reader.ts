import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import { OPUS_SAMPLE_RATE, opusPacketSamples, parseOpusHead } from "@leat/sdk/protocol/bitstream/opus.ts";
import type { AudioConfig } from "@leat/sdk/protocol/frame.ts";
import { MAX_FRAME_BYTES } from "@leat/sdk/protocol/limits.ts";
import type { PublishItem } from "@leat/sdk/protocol/published.ts";
import type { PesPacket } from "./pes.ts";
import type { TrackReader, Unwrap } from "./track-reader.ts";
import { toMs } from "./ts-clock.ts";

const TICKS_PER_SECOND = 90_000;
const TRIM_BYTES = 2;

/** Streams, coupled streams and the places of signals by the number of channels from 3 on: Vorbis's order. */
export const opusLayouts: Readonly<Record<number, readonly number[]>> = {
  3: [2, 1, 0, 2, 1],
  4: [2, 2, 0, 1, 2, 3],
  5: [3, 2, 0, 4, 1, 2, 3],
  6: [4, 2, 0, 4, 1, 2, 3, 5],
  7: [4, 3, 0, 4, 1, 2, 3, 5, 6],
  8: [5, 3, 0, 6, 1, 2, 3, 4, 5, 7],
};

/** Opus in TS: packets each behind a head of their own. */
export class OpusReader implements TrackReader {
  readonly #unwrap: Unwrap;
  readonly #config: AudioConfig;
  #announced = false;
  #next: number | undefined;
  #leftOut = 0;

  constructor(layout: number, unwrap: Unwrap) {
    this.#unwrap = unwrap;
    this.#config = configOf(layout);
  }

  get leftOut(): number {
    return this.#leftOut;
  }

  lose(): void {
    this.#next = undefined;
  }

  push({ pts, data }: PesPacket): PublishItem[] {
    if (pts !== undefined) this.#next = this.#unwrap(pts);
    const items: PublishItem[] = [];
    let rest = data;
    while (rest.length > 0) {
      const packet = readPacket(rest);
      const samples = packet && opusPacketSamples(packet.data);
      if (packet === undefined || samples === undefined || this.#next === undefined) {
        this.#leftOut += 1;
        break;
      }
      if (!this.#announced) items.push({ type: "config", config: this.#config });
      this.#announced = true;
      items.push({ type: "audio", sample: { dtsMs: toMs(this.#next), data: Uint8Array.from(packet.data) } });
      this.#next += (samples * TICKS_PER_SECOND) / OPUS_SAMPLE_RATE;
      rest = rest.subarray(packet.bytes);
    }
    return items;
  }
}

/** The first packet behind its head; undefined where there is none. */
function readPacket(bytes: Uint8Array): { readonly data: Uint8Array; readonly bytes: number } | undefined {
  if (bytes.length < 3 || bytes[0] !== 0x7f || (bytes[1]! & 0xe0) !== 0xe0) return undefined;
  const flags = bytes[1]!;
  let at = 2;
  let size = 0;
  let step: number | undefined;
  do {
    step = bytes[at];
    if (step === undefined) return undefined;
    size += step;
    at += 1;
  } while (step === 0xff);
  if ((flags & 0x10) !== 0) at += TRIM_BYTES;
  if ((flags & 0x08) !== 0) at += TRIM_BYTES;
  if ((flags & 0x04) !== 0) at += 1 + (bytes[at] ?? 0);
  if (size === 0 || size > MAX_FRAME_BYTES || at + size > bytes.length) return undefined;
  return { data: bytes.subarray(at, at + size), bytes: at + size };
}

function configOf(channels: number): AudioConfig {
  const layout = opusLayouts[channels];
  if (layout === undefined && channels !== 1 && channels !== 2) {
    throw new BitstreamError({ code: "BITSTREAM_UNSUPPORTED", what: "opus channels", found: channels });
  }
  const head = [...Buffer.from("OpusHead"), 1, channels, 0, 0, 0x80, 0xbb, 0, 0, 0, 0];
  const rates = { timescale: OPUS_SAMPLE_RATE, sampleRate: OPUS_SAMPLE_RATE };
  const facts = parseOpusHead(Uint8Array.from([...head, ...(layout === undefined ? [0] : [1, ...layout])]));
  return { kind: "audio", codec: "opus", ...rates, ...facts, codecString: "opus" };
}
