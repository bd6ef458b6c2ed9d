import type { DemuxedItem } from "@leat/sdk/protocol/published.ts";
import { demuxFile } from "@leat/transcoder/mpegts/demux-file.ts";
import { TsDemuxer } from "@leat/transcoder/mpegts/demuxer.ts";
import type { TsClock } from "@leat/transcoder/mpegts/ts-clock.ts";
import { PushError } from "./errors.ts";

/**
 * What a segment holds, which stands alone but for its clock. Pictures before its first key frame are left out.
 * @throws PushError, MpegTsError, BitstreamError
 */
export async function readSegment(bytes: Uint8Array, clock: TsClock, maxMs: number): Promise<readonly DemuxedItem[]> {
  const demuxer = new TsDemuxer(() => {}, clock);
  const items = await demuxFile(demuxer, bytes);
  judge(items, demuxer.stats.leftOut, maxMs);
  return items;
}

function judge(items: readonly DemuxedItem[], leftOut: number, maxMs: number): void {
  const first = items.find(({ type }) => type === "video");
  if (first?.type === "video" ? !first.sample.key : leftOut > 0)
    throw new PushError({ code: "PUSH_KEY_FRAME_MISSING" });
  let [earliest, latest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const item of items) {
    if (item.type === "config" || item.type === "cue" || item.type === "tag") continue;
    earliest = Math.min(earliest, item.sample.dtsMs);
    latest = Math.max(latest, item.sample.dtsMs);
  }
  if (latest < earliest) throw new PushError({ code: "PUSH_SEGMENT_EMPTY" });
  if (latest - earliest > maxMs) throw new PushError({ code: "PUSH_SEGMENT_TOO_LONG", limitMs: maxMs });
}
