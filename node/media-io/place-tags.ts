import type { DemuxedItem } from "@leat/sdk/protocol/published.ts";

/** Sound is published with what happens in it: its tags come somewhat before it. */
const LEAD_MS = 1_000;

/**
 * What a segment holds, with its tags where their time comes: a file may have them in front of all samples. None stands
 * before the first sample, which tells the clock that its time is of. One without a time stays where it is.
 */
export function placeTags(items: readonly DemuxedItem[]): DemuxedItem[] {
  const timed = items.flatMap((item) => (item.type === "tag" && item.tag.atMs !== undefined ? [item] : []));
  timed.sort(({ tag: left }, { tag: right }) => left.atMs! - right.atMs!);
  const placed: DemuxedItem[] = [];
  const early: DemuxedItem[] = [];
  let next = 0;
  let hasSample = false;
  for (const item of items) {
    if (item.type === "tag") {
      if (item.tag.atMs === undefined) (hasSample ? placed : early).push(item);
      continue;
    }
    placed.push(item);
    if (item.type !== "video" && item.type !== "audio") continue;
    if (!hasSample) placed.push(...early);
    hasSample = true;
    for (; next < timed.length && timed[next]!.tag.atMs! <= item.sample.dtsMs + LEAD_MS; next += 1) {
      placed.push(timed[next]!);
    }
  }
  return hasSample ? [...placed, ...timed.slice(next)] : placed;
}
