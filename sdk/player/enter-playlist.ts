const DATED = "#EXT-X-PROGRAM-DATE-TIME:";

/**
 * The media playlist as a player enters it.
 *
 * With a moment (since 1970) it has a place to start at: where the wall clock of the picture shows it, if that is
 * listed. Another edge's timeline starts at its own oldest segment; the wall clock is what all share. Whole segments come
 * without their parts then: one request brings each, where a player in the midst of one would ask for part after part.
 * They do so too where the stream is over: the library takes the sound of such a one before it knows where pictures
 * begin, and where those begin between two parts of the sound it never ends the segment.
 */
export function enterPlaylist(playlist: string, atMs?: number): string {
  const lines = playlist.split(/\r?\n/);
  const offsetS = atMs === undefined ? undefined : findOffset(lines, atMs);
  if (offsetS === undefined && !lines.includes("#EXT-X-ENDLIST")) return playlist;
  const whole = lines.findLastIndex((line) => line.startsWith("#EXTINF:"));
  const [head, ...rest] = lines.filter((line, at) => at > whole || !line.startsWith("#EXT-X-PART:"));
  const start = offsetS === undefined ? [] : [`#EXT-X-START:TIME-OFFSET=${offsetS.toFixed(3)},PRECISE=YES`];
  return [head, ...start, ...rest].join("\n");
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
