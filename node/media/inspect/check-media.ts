import { checkLowLatency } from "./check-low-latency.ts";
import { isTag, type Line, readLines } from "./lines.ts";
import { type ReadMedia, readMedia } from "./media-playlist.ts";
import { type Finding, Findings } from "./rules.ts";

/** Tags that stand in master playlists alone. */
export const masterTags: ReadonlySet<string> = new Set([
  "EXT-X-MEDIA",
  "EXT-X-STREAM-INF",
  "EXT-X-I-FRAME-STREAM-INF",
  "EXT-X-SESSION-DATA",
  "EXT-X-SESSION-KEY",
  "EXT-X-CONTENT-STEERING",
]);

/** How far a wall clock may be off from the durations since the one before, seconds: publishers' clocks are not ours. */
export const DATE_TIME_TOLERANCE_S = 1;

/** Checks one media playlist by itself. */
export function checkMediaPlaylist(playlist: string | Uint8Array): Finding[] {
  const findings = new Findings();
  const lines = readLines(playlist, findings);
  inspectMedia(lines, findings);
  return findings.list;
}

/** Reads and checks a media playlist of which the lines are there already. */
export function inspectMedia(lines: readonly Line[], findings: Findings): ReadMedia {
  for (const item of lines) {
    if (isTag(item) && masterTags.has(item.name)) findings.add("tag-kind", item.line, item.name);
  }
  const media = readMedia(lines, findings);
  checkVersion(media, findings);
  checkDurations(media, findings);
  checkDateTimes(media, findings);
  checkLowLatency(media, findings);
  return media;
}

/** What each feature needs; section 8 of RFC 8216bis. */
function checkVersion({ tags, version, iframesOnly }: ReadMedia, findings: Findings): void {
  const needs = (tag: (typeof tags)[number]): number => {
    switch (tag.name) {
      case "EXTINF":
        return tag.value.includes(".") ? 3 : 1;
      case "EXT-X-BYTERANGE":
      case "EXT-X-I-FRAMES-ONLY":
        return 4;
      case "EXT-X-MAP":
        return iframesOnly ? 5 : 6;
      case "EXT-X-KEY":
        return tag.attributes.has("KEYFORMAT") ? 5 : tag.attributes.has("IV") ? 2 : 1;
      case "EXT-X-DEFINE":
        return tag.attributes.has("QUERYPARAM") ? 11 : 8;
      case "EXT-X-SKIP":
        return tag.attributes.has("RECENTLY-REMOVED-DATERANGES") ? 10 : 9;
      default:
        return 1;
    }
  };
  const neediest = tags.reduce((most, tag) => (needs(tag) > needs(most) ? tag : most), tags[0]!);
  if (neediest !== undefined && needs(neediest) > version) {
    findings.add("version-low", neediest.line, `${version}, where ${neediest.name} needs ${needs(neediest)}`);
  }
}

function checkDurations(media: ReadMedia, findings: Findings): void {
  const { targetDurationS, segments, iframesOnly, control, ended, skipped, mediaSequence, type } = media;
  if (targetDurationS === undefined) {
    if (!media.tags.some(({ name }) => name === "EXT-X-TARGETDURATION"))
      findings.add("target-duration-missing", undefined, "no EXT-X-TARGETDURATION");
    return;
  }
  for (const { durationS, uri, line, map } of segments) {
    // The duration of an I-frame is the time to the next one: that may be a whole segment, never more.
    if (Math.round(durationS) > targetDurationS) findings.add("target-duration-exceeded", line, `${uri}: ${durationS}`);
    if (map === undefined && skipped === 0 && isFragmented(uri)) findings.add("map-missing", line, uri);
  }
  const listedS = segments.reduce((sum, { durationS }) => sum + durationS, 0);
  const hasDropped = mediaSequence > 0 && type === undefined && !ended && skipped === 0 && !iframesOnly;
  if (hasDropped && listedS < 3 * targetDurationS) findings.add("window-short", undefined, `${listedS} s`);
  const holdBack = Number(control?.get("HOLD-BACK") ?? Number.POSITIVE_INFINITY);
  if (holdBack < 3 * targetDurationS) findings.add("hold-back-short", undefined, `${holdBack} s`);
}

function isFragmented(uri: string): boolean {
  return /\.(m4s|mp4|m4v|m4a|cmfv|cmfa)$/.test(uri.split(/[?#]/)[0]!);
}

/** A discontinuity may move the clock on, as far as it likes; what follows it is held against it. */
function checkDateTimes({ segments }: ReadMedia, findings: Findings): void {
  let known: { ms: number; afterMs: number; discontinuities: number } | undefined;
  for (const { dateTimeMs, durationS, discontinuities, line } of segments) {
    if (dateTimeMs !== undefined && known !== undefined) {
      const offMs = dateTimeMs - known.ms - known.afterMs;
      if (dateTimeMs < known.ms) findings.add("date-time-backward", line, `${offMs} ms`);
      else if (discontinuities === known.discontinuities && Math.abs(offMs) > DATE_TIME_TOLERANCE_S * 1000)
        findings.add("date-time-drift", line, `${Math.round(offMs)} ms`);
    }
    if (dateTimeMs !== undefined) known = { ms: dateTimeMs, afterMs: 0, discontinuities };
    if (known !== undefined) known.afterMs += durationS * 1000;
  }
}
