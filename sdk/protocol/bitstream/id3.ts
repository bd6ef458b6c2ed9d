import { MAX_TAG_BYTES } from "../limits.ts";

/** Tags that stand together are of one moment: two are rare. */
const MAX_TAGS = 8;
const HEAD_BYTES = 10;
const FOOTER = 0x10;
const letters = [0x49, 0x44, 0x33] as const;

/**
 * The whole ID3 tags (of version 2) that bytes begin with, each a copy; the first eight, without those that are too long
 * to be handed on. Ends at what is none, or is cut short.
 */
export function readId3Tags(bytes: Uint8Array): Uint8Array[] {
  const tags: Uint8Array[] = [];
  let rest = bytes;
  for (let size = tagSize(rest); size !== undefined && size <= rest.length; size = tagSize(rest)) {
    if (tags.length === MAX_TAGS) break;
    if (size <= MAX_TAG_BYTES) tags.push(Uint8Array.from(rest.subarray(0, size)));
    rest = rest.subarray(size);
  }
  return tags;
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
