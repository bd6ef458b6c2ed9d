import { readId3Private, takeId3Tags } from "@leat/sdk/protocol/bitstream/id3.ts";
import type { DemuxedItem, PublishItem } from "@leat/sdk/protocol/published.ts";
import { AacReader, beginsAdts } from "./aac-reader.ts";
import { TsClock, toMs } from "./ts-clock.ts";

const TIME_OWNER = "com.apple.streaming.transportStreamTimestamp";
const TIME_BYTES = 8;

/** AAC without a container, as HLS has it (RFC 8216, 3.4): each file is a tag that tells its time, and frames in ADTS. */
export class PackedAacReader {
  readonly #clock = new TsClock();
  readonly #aac = new AacReader((ticks) => this.#clock.unwrap(ticks));
  #ticks: number | undefined;
  #hasTime = false;
  #items: DemuxedItem[] = [];

  /** A file begins. @returns its frames, which are to be pushed; undefined where it is none, or nothing tells its time */
  open(bytes: Uint8Array): Uint8Array | undefined {
    const { tags, rest } = takeId3Tags(bytes);
    if (!beginsAdts(rest)) return undefined;
    const times = tags.map(readTime);
    const ticks = times.find((time) => time !== undefined);
    if (ticks === undefined && !this.#hasTime) return undefined;
    this.#hasTime = true;
    // A frame that the file before cut short is lost.
    if (ticks !== undefined) this.#aac.lose();
    this.#ticks = ticks;
    const time = ticks === undefined ? {} : { atMs: toMs(this.#clock.fork().unwrap(ticks)) };
    const others = tags.filter((_, at) => times[at] === undefined);
    this.#items = others.map((tag) => ({ type: "tag", tag: { ...time, tag } }));
    return rest;
  }

  /** @throws BitstreamError for sound that cannot be described */
  push(data: Uint8Array): DemuxedItem[] {
    const [pts, items] = [this.#ticks, this.#items];
    this.#ticks = undefined;
    this.#items = [];
    return [...items, ...this.#aac.push({ pts, dts: pts, data })];
  }

  end(): PublishItem[] {
    return [];
  }
}

/** 90 kHz in 33 bits. */
function readTime(tag: Uint8Array): number | undefined {
  const bytes = readId3Private(tag, TIME_OWNER);
  if (bytes?.length !== TIME_BYTES) return undefined;
  return (bytes[3]! & 1) * 2 ** 32 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(4);
}
