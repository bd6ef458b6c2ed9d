import { setImmediate as nextTurn } from "node:timers/promises";
import { TsDemuxer } from "../mpegts/demuxer.ts";
import type { TsClock } from "../mpegts/ts-clock.ts";
import type { DemuxedItem } from "../publish-sink.ts";
import { PushError } from "./errors.ts";

/** A piece is taken apart within a few milliseconds: those who watch at this node are served in between. */
const PIECE_BYTES = 262_144;

/**
 * What a segment holds, which stands alone but for its clock. Pictures before its first key frame are left out.
 * @throws PushError, MpegTsError, BitstreamError
 */
export async function readSegment(bytes: Uint8Array, clock: TsClock, maxMs: number): Promise<readonly DemuxedItem[]> {
  const demuxer = new TsDemuxer(() => {}, clock);
  const items: DemuxedItem[] = [];
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    items.push(...demuxer.push(bytes.subarray(at, at + PIECE_BYTES)));
    await nextTurn();
  }
  items.push(...demuxer.end());
  judge(items, demuxer.stats.leftOut, maxMs);
  return items;
}

function judge(items: readonly DemuxedItem[], leftOut: number, maxMs: number): void {
  const first = items.find(({ type }) => type === "video");
  if (first?.type === "video" ? !first.sample.key : leftOut > 0)
    throw new PushError({ code: "PUSH_KEY_FRAME_MISSING" });
  let [earliest, latest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const item of items) {
    if (item.type === "config" || item.type === "cue") continue;
    earliest = Math.min(earliest, item.sample.dtsMs);
    latest = Math.max(latest, item.sample.dtsMs);
  }
  if (latest < earliest) throw new PushError({ code: "PUSH_SEGMENT_EMPTY" });
  if (latest - earliest > maxMs) throw new PushError({ code: "PUSH_SEGMENT_TOO_LONG", limitMs: maxMs });
}
