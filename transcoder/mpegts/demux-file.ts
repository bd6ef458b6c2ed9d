import { setImmediate as nextTurn } from "node:timers/promises";
import type { DemuxedItem } from "@leat/sdk/protocol/published.ts";
import type { TsDemuxer } from "./demuxer.ts";

/** A piece is taken apart within a few milliseconds: those who watch at this node are served in between. */
const PIECE_BYTES = 262_144;

/** All that a file of whole pictures holds. The bytes are the demuxer's from now on. @throws as `TsDemuxer.push` does */
export async function demuxFile(demuxer: TsDemuxer, bytes: Uint8Array): Promise<DemuxedItem[]> {
  const items: DemuxedItem[] = [];
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    for (const item of demuxer.push(bytes.subarray(at, at + PIECE_BYTES))) items.push(item);
    await nextTurn();
  }
  return [...items, ...demuxer.end()];
}
