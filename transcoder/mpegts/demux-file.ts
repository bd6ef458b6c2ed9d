import { setImmediate as nextTurn } from "node:timers/promises";
import { type DemuxedItem, MAX_SEGMENT_MARKS } from "@leat/sdk/protocol/published.ts";
import type { TsDemuxer } from "./demuxer.ts";

/** A piece is taken apart within a few milliseconds: those who watch at this node are served in between. */
const PIECE_BYTES = 262_144;

/**
 * All that a file of whole pictures holds, but for marks beyond a segment's. The bytes are the demuxer's from now on.
 * @throws as `TsDemuxer.push` does
 */
export async function demuxFile(demuxer: TsDemuxer, bytes: Uint8Array): Promise<DemuxedItem[]> {
  const items: DemuxedItem[] = [];
  let marks = 0;
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    for (const item of demuxer.push(bytes.subarray(at, at + PIECE_BYTES))) {
      const isMark = item.type === "cue" || item.type === "tag";
      if (isMark) marks += 1;
      if (!isMark || marks <= MAX_SEGMENT_MARKS) items.push(item);
    }
    await nextTurn();
  }
  return [...items, ...demuxer.end()];
}
