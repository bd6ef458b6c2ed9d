import type { HlsStream } from "@leat/node/media-io/hls/stream.ts";

/** A segment's bytes in one piece; undefined where it is not served. */
export function wholeSegment(stream: Pick<HlsStream, "pieces">, rung: number, sequence: number): Buffer | undefined {
  const pieces = stream.pieces(rung, sequence);
  return pieces && Buffer.concat(pieces);
}
