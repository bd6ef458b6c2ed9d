import { setImmediate as nextTurn } from "node:timers/promises";
import { type DemuxedItem, MAX_SEGMENT_MARKS, type PublishItem } from "@leat/sdk/protocol/published.ts";

/** Takes a file apart, piece by piece. */
export interface FileDemuxer {
  push(bytes: Uint8Array): DemuxedItem[];
  end(): PublishItem[];
}

/** A piece is taken apart within a few milliseconds: those who watch at this node are served in between. */
const PIECE_BYTES = 262_144;

/**
 * All that a file of whole pictures holds, but for marks beyond a segment's. The bytes are the demuxer's from now on.
 * @throws as the demuxer does
 */
export async function demuxFile(demuxer: FileDemuxer, bytes: Uint8Array): Promise<DemuxedItem[]> {
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
