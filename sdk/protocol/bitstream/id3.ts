import { MAX_TAG_BYTES } from "../limits.ts";

/** Tags that stand together are of one moment: two are rare. */
const MAX_TAGS = 8;
const HEAD_BYTES = 10;
const FOOTER = 0x10;
/** Bytes put in between, and an extended head. */
const HAS_OTHER_LAYOUT = 0xc0;
const letters = [0x49, 0x44, 0x33] as const;
const privateLetters = [0x50, 0x52, 0x49, 0x56] as const;

/**
 * The whole ID3 tags (of version 2) that bytes begin with, each a copy; the first eight, without those that are too long
 * to be handed on. Ends at what is none, or is cut short.
 */
export function readId3Tags(bytes: Uint8Array): Uint8Array[] {
  return takeId3Tags(bytes).tags;
}

/** The same tags, and what stands behind them. */
export function takeId3Tags(bytes: Uint8Array): { readonly tags: Uint8Array[]; readonly rest: Uint8Array } {
  const tags: Uint8Array[] = [];
  let rest = bytes;
  for (let size = tagSize(rest); size !== undefined && size <= rest.length; size = tagSize(rest)) {
    if (tags.length === MAX_TAGS) break;
    if (size <= MAX_TAG_BYTES) tags.push(Uint8Array.from(rest.subarray(0, size)));
    rest = rest.subarray(size);
  }
  return { tags, rest };
}

/** What a tag's private frame of this owner holds; undefined where it has none, or is written in another layout. */
export function readId3Private(tag: Uint8Array, owner: string): Uint8Array | undefined {
  const mark = new TextEncoder().encode(`${owner}\0`);
  const sizeBase = tag[3] === 4 ? 128 : 256;
  if ((tag[5]! & HAS_OTHER_LAYOUT) !== 0) return undefined;
  let at = HEAD_BYTES;
  while (at + HEAD_BYTES <= tag.length) {
    const size = tag.subarray(at + 4, at + 8).reduce((sum, one) => sum * sizeBase + one, 0);
    const body = tag.subarray(at + HEAD_BYTES, at + HEAD_BYTES + size);
    const isPrivate = privateLetters.every((letter, index) => tag[at + index] === letter);
    if (isPrivate && mark.every((byte, index) => body[index] === byte)) return body.subarray(mark.length);
    at += HEAD_BYTES + size;
  }
  return undefined;
}

/** Of the tag that bytes begin with, its head and footer too. */
function tagSize(bytes: Uint8Array): number | undefined {
  const size = bytes.subarray(6, HEAD_BYTES);
  const isTag =
    letters.every((letter, at) => bytes[at] === letter) && size.length === 4 && size.every((one) => one < 128);
  if (!isTag) return undefined;
  const body = size.reduce((sum, one) => sum * 128 + one, 0);
  return HEAD_BYTES + body + ((bytes[5]! & FOOTER) === 0 ? 0 : HEAD_BYTES);
}
