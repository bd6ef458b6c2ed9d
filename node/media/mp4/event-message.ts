import type { TimedTag } from "@leat/sdk/protocol/frame.ts";

/** Names ID3 tags in `emsg` boxes and in manifests. */
export const ID3_SCHEME = "https://aomedia.org/emsg/ID3";

const EMSG = 0x656d7367;
const VERSION = 1;
const DURATION_UNKNOWN = 0xffff_ffff;
/** Size and type, version and flags, timescale, time, duration, number. */
const FIXED_BYTES = 32;
const scheme = new TextEncoder().encode(`${ID3_SCHEME}\0`);
/** The value of the scheme is empty. */
const HEAD_BYTES = FIXED_BYTES + scheme.length + 1;

/**
 * The `emsg` boxes that stand before a part, one for each tag. Every field is a function of the arguments, so all nodes
 * write the same bytes. An event's number is its time, which no other of its epoch has.
 */
export function writeTags(tags: readonly TimedTag[], timescale: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(tags.reduce((sum, { tag }) => sum + HEAD_BYTES + tag.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { pts, tag } of tags) {
    const size = HEAD_BYTES + tag.length;
    const fields = [size, EMSG, VERSION << 24, timescale, Math.floor(pts / 2 ** 32), pts % 2 ** 32];
    for (const [index, field] of [...fields, DURATION_UNKNOWN, pts % 2 ** 32].entries()) {
      view.setUint32(at + 4 * index, field);
    }
    bytes.set(scheme, at + FIXED_BYTES);
    bytes.set(tag, at + HEAD_BYTES);
    at += size;
  }
  return bytes;
}
