import { readBoxes } from "@leat/node/media/mp4/read-boxes.ts";

/**
 * The bytes of part `part` (from 0) in a whole segment: a `moof`, the timed metadata before it and what follows it.
 * `short` for a segment that ends whole before it; for one that is no row of parts, the bytes that are none.
 */
export function cutPart(segment: Uint8Array, part: number): Uint8Array | "short" {
  const starts: number[] = [];
  let end = 0;
  let tagsAt: number | undefined;
  for (const { type, body } of readBoxes(segment)) {
    if (type === "moof") starts.push(tagsAt ?? end);
    tagsAt = type === "emsg" ? (tagsAt ?? end) : undefined;
    end = body.byteOffset - segment.byteOffset + body.length;
  }
  if (part < starts.length) return segment.subarray(starts[part], starts[part + 1] ?? end);
  return starts.length > 0 && end === segment.length ? "short" : segment.subarray(end);
}
