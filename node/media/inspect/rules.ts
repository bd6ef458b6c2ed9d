/**
 * What a playlist must obey, by name: RFC 8216bis (draft-pantos-hls-rfc8216bis) and what low-latency players count on.
 * A name has one meaning and is not used again for another.
 */
export const rules = {
  // Text
  "utf8-invalid": "a playlist is UTF-8",
  "byte-order-mark": "a playlist has no byte order mark",
  "control-character": "no control characters but line ends",
  "line-ending": "lines end with LF or CR LF, never with CR alone",
  "header-missing": "the first line is #EXTM3U",
  "uri-escape": "an address is escaped as RFC 3986 says: no spaces, quotes or angle brackets",
  "tag-value": "a tag's value has the form that the tag wants",
  "tag-duplicate": "a tag of the whole playlist stands there once",
  "tag-kind": "tags of master and media playlists are not mixed",
  "tag-late": "a tag of the whole playlist stands before the first segment",
  "attribute-syntax": "attributes are NAME=value, split by commas, without spaces around them",
  "attribute-duplicate": "an attribute stands once in its list",
  "attribute-missing": "an attribute that the tag needs is there",
  "attribute-value": "an attribute's value has the form that the attribute wants",
  "version-low": "EXT-X-VERSION is at least what the features used need",

  // Media playlists
  "target-duration-missing": "a media playlist has EXT-X-TARGETDURATION",
  "target-duration-exceeded": "each EXTINF, rounded, is at most EXT-X-TARGETDURATION",
  "segment-duration-missing": "each segment has an EXTINF",
  "segment-uri-missing": "each EXTINF is followed by an address",
  "map-missing": "fragmented MP4 has an EXT-X-MAP before it",
  "byte-range-start": "a byte range without a start follows another of the same file",
  "date-time-backward": "EXT-X-PROGRAM-DATE-TIME does not go back",
  "date-time-drift": "EXT-X-PROGRAM-DATE-TIME moves on by the durations between",
  "window-short": "a live playlist lists at least three target durations once it has begun to drop segments",
  "hold-back-short": "HOLD-BACK is at least three target durations",

  // Low latency
  "part-target-missing": "EXT-X-PART needs EXT-X-PART-INF",
  "part-too-long": "a part is at most PART-TARGET long",
  "part-too-short": "a part is at least 85 % of PART-TARGET, unless independent, a gap, or the last of its segment",
  "part-sum": "a segment is as long as its parts together",
  "part-gap": "the parts of a gap are gaps",
  "part-hold-back-missing": "parts need PART-HOLD-BACK",
  "part-hold-back-short": "PART-HOLD-BACK is at least two part targets",
  "part-hold-back-advised": "PART-HOLD-BACK should be at least three part targets",
  "block-reload-missing": "parts need CAN-BLOCK-RELOAD=YES",
  "hint-duplicate": "at most one EXT-X-PRELOAD-HINT of each type",
  "hint-after-end": "nothing is hinted once the stream is over",
  "skip-until-short": "CAN-SKIP-UNTIL is at least six target durations",
  "skip-unoffered": "EXT-X-SKIP needs CAN-SKIP-UNTIL",
  "skip-too-near": "no segment is skipped that is nearer to the end than CAN-SKIP-UNTIL",

  // Between one load and the next
  "target-duration-changed": "EXT-X-TARGETDURATION never changes",
  "part-target-changed": "PART-TARGET never changes",
  "media-sequence-backward": "EXT-X-MEDIA-SEQUENCE never goes back",
  "segment-changed": "a segment that was listed keeps its address, duration, map and byte range",
  "segment-dropped":
    "segments leave from the front alone, none of an EVENT or VOD playlist, and none at the end comes back off",
  "part-changed": "a part that was listed keeps its address and duration",
  "discontinuity-sequence": "EXT-X-DISCONTINUITY-SEQUENCE rises by one for each discontinuity that left",
  "changed-after-end": "nothing changes after EXT-X-ENDLIST",
  "hint-broken": "what is hinted appears next, under the hinted address",
  "delta-differs": "a delta update with what the player holds is the whole playlist",

  // Master playlists
  "variant-missing": "a master playlist has a variant",
  "variant-uri-missing": "each EXT-X-STREAM-INF is followed by an address",
  "average-bandwidth-missing": "a variant should have AVERAGE-BANDWIDTH",
  "codecs-missing": "a variant should have CODECS",
  "resolution-missing": "a variant with a picture should have RESOLUTION",
  "frame-rate-missing": "a variant with a picture should have FRAME-RATE",
  "average-above-peak": "AVERAGE-BANDWIDTH is at most BANDWIDTH",
  "group-missing": "a group that a variant names has a rendition",
  "rendition-default": "DEFAULT=YES goes with AUTOSELECT=YES, and stands once in a group",
  "rendition-name": "names are unique in a group",
  "rendition-uri": "SUBTITLES have an address, CLOSED-CAPTIONS have none and an INSTREAM-ID",

  // Between playlists, and against the files
  "target-duration-differs": "all media playlists of a stream have one EXT-X-TARGETDURATION",
  "discontinuity-differs": "a segment number has the same discontinuity sequence in every rendition",
  "report-missing": "a low-latency playlist reports on every other rendition",
  "report-stale": "a rendition report says what that rendition has",
  "map-invalid": "what EXT-X-MAP names is an init segment: a moov, and no media",
  "codecs-differ": "CODECS names what the init segment has",
  "resolution-differs": "RESOLUTION is the picture's size",
  "bandwidth-exceeded": "no segment is above BANDWIDTH",
  "average-bandwidth-exceeded": "the segments' mean is not above AVERAGE-BANDWIDTH",
  "file-missing": "what is listed and is no gap can be fetched",
  "part-differs": "a segment's bytes are its parts' in order",
  "iframe-range": "an I-frame's byte range lies inside its file",
  "iframe-not-key": "an I-frame's byte range starts with a fragment whose first picture is a key frame",
} as const;

export type RuleName = keyof typeof rules;

/** What is advice: a player copes, though not as well. */
const advice: ReadonlySet<RuleName> = new Set([
  "part-hold-back-advised",
  "average-bandwidth-missing",
  "codecs-missing",
  "resolution-missing",
  "frame-rate-missing",
  "average-bandwidth-exceeded",
]);

export function isAdvice(rule: RuleName): boolean {
  return advice.has(rule);
}

/** One place where a rule is broken. */
export interface Finding {
  readonly rule: RuleName;
  /** From 1; undefined where no line is to blame. */
  readonly line: number | undefined;
  /** What stands there, in few words. */
  readonly found: string;
}

/** Collects findings; a check goes on after one, so that a reader sees all. */
export class Findings {
  readonly list: Finding[] = [];

  add(rule: RuleName, line: number | undefined, found: string): void {
    this.list.push({ rule, line, found: found.length > 120 ? `${found.slice(0, 117)}...` : found });
  }
}
