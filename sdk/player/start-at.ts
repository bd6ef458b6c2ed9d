/**
 * The same media playlist with a place to start at: where the wall clock of the picture shows `atMs` (since 1970).
 * Another edge's timeline starts at its own oldest segment; the wall clock is what all share. Unchanged where that
 * moment is not listed: then a player starts as it would anyway.
 */
export function startAt(playlist: string, atMs: number): string {
  const lines = playlist.split(/\r?\n/);
  const dated = lines.find((line) => line.startsWith("#EXT-X-PROGRAM-DATE-TIME:"));
  const firstMs = dated === undefined ? Number.NaN : Date.parse(dated.slice(dated.indexOf(":") + 1));
  const listedS = lines.reduce((sum, line) => sum + Number(/^#EXTINF:([\d.]+)/.exec(line)?.[1] ?? 0), 0);
  const offsetS = (atMs - firstMs) / 1000;
  if (!(offsetS >= 0 && offsetS < listedS)) return playlist;
  return playlist.replace("#EXTM3U", `#EXTM3U\n#EXT-X-START:TIME-OFFSET=${offsetS.toFixed(3)},PRECISE=YES`);
}
