const DATED = "#EXT-X-PROGRAM-DATE-TIME:";

/**
 * The same media playlist with a place to start at: where the wall clock of the picture shows `atMs` (since 1970).
 * Another edge's timeline starts at its own oldest segment; the wall clock is what all share. Whole segments come without
 * their parts: one request brings each, where a player in the midst of one would ask for part after part. Unchanged
 * where that moment is not listed: then a player starts as it would anyway.
 */
export function startAt(playlist: string, atMs: number): string {
  const lines = playlist.split(/\r?\n/);
  const offsetS = findOffset(lines, atMs);
  if (offsetS === undefined) return playlist;
  const whole = lines.findLastIndex((line) => line.startsWith("#EXTINF:"));
  const listed = lines.filter((line, at) => at > whole || !line.startsWith("#EXT-X-PART:"));
  const [head, ...rest] = listed;
  return [head, `#EXT-X-START:TIME-OFFSET=${offsetS.toFixed(3)},PRECISE=YES`, ...rest].join("\n");
}

/** Seconds from the playlist's start, by the date of the segment that the moment is in. */
function findOffset(lines: readonly string[], atMs: number): number | undefined {
  let beforeS = 0;
  let dateMs = Number.NaN;
  let found: { readonly offsetS: number; readonly endS: number } | undefined;
  for (const line of lines) {
    if (line.startsWith(DATED)) dateMs = Date.parse(line.slice(DATED.length));
    const durationS = Number(/^#EXTINF:([\d.]+)/.exec(line)?.[1] ?? 0);
    if (durationS === 0) continue;
    const endS = beforeS + durationS;
    if (dateMs <= atMs) found = { offsetS: beforeS + (atMs - dateMs) / 1000, endS };
    beforeS = endS;
    dateMs += durationS * 1000;
  }
  // Dates that shake may leave a moment between two segments.
  if (found === undefined || (found.endS === beforeS && found.offsetS >= found.endS)) return undefined;
  return Math.min(found.offsetS, found.endS);
}
