import { readId3Tags } from "@leat/sdk/protocol/bitstream/id3.ts";
import { MAX_SEGMENT_MARKS } from "@leat/sdk/protocol/published.ts";
import { ID3_SCHEME } from "./event-message.ts";
import { BoxReader, MAX_SEGMENT_BOXES } from "./read-boxes.ts";

/** An ID3 tag of an `emsg` box. */
export interface Mp4Tag {
  /** Seconds: on the clock of the tracks, or after the earliest sample of the segment, as the box tells. */
  readonly time: { readonly atS: number } | { readonly afterS: number };
  readonly tag: Uint8Array;
}

/** Version and flags. */
const HEAD_BYTES = 4;
/** Timescale, time, duration, number; by the box's version. */
const NUMBERS_BYTES = { 0: 16, 1: 20 } as const;
const text = new TextDecoder("latin1");

/**
 * ID3 tags of a segment in the order of the file, as many as one may have. What is none, or cannot be read, is left out.
 * @throws MP4_BOXES_EXCEEDED
 */
export function readTags(bytes: Uint8Array): Mp4Tag[] {
  const tags: Mp4Tag[] = [];
  for (const { type, body } of new BoxReader(MAX_SEGMENT_BOXES).boxes(bytes)) {
    if (tags.length >= MAX_SEGMENT_MARKS) break;
    if (type === "emsg") tags.push(...readEvent(body));
  }
  return tags.slice(0, MAX_SEGMENT_MARKS);
}

/** Version 0 has its numbers behind its two strings, version 1 in front of them. */
function readEvent(body: Uint8Array): Mp4Tag[] {
  const [version] = body;
  if (version !== 0 && version !== 1) return [];
  const size = NUMBERS_BYTES[version];
  const scheme = readString(body, version === 0 ? HEAD_BYTES : HEAD_BYTES + size);
  const value = scheme && readString(body, scheme.end);
  if (scheme?.text !== ID3_SCHEME || value === undefined) return [];
  const [numbersAt, dataAt] = version === 0 ? [value.end, value.end + size] : [HEAD_BYTES, value.end];
  if (dataAt > body.length) return [];
  const numbers = new DataView(body.buffer, body.byteOffset + numbersAt, size);
  const timescale = numbers.getUint32(0);
  const ticks = version === 0 ? numbers.getUint32(4) : Number(numbers.getBigUint64(4));
  if (timescale === 0 || !Number.isSafeInteger(ticks)) return [];
  const time = version === 0 ? { afterS: ticks / timescale } : { atS: ticks / timescale };
  return readId3Tags(body.subarray(dataAt)).map((tag) => ({ time, tag }));
}

/** Up to its zero byte; undefined where there is none. */
function readString(body: Uint8Array, from: number): { readonly text: string; readonly end: number } | undefined {
  const end = body.indexOf(0, from);
  return end < 0 ? undefined : { text: text.decode(body.subarray(from, end)), end: end + 1 };
}
