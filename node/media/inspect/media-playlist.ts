import type { Attributes } from "./attributes.ts";
import { isTag, type Line, type Tag } from "./lines.ts";
import type { Findings } from "./rules.ts";

export interface ByteRange {
  readonly from: number;
  readonly sizeBytes: number;
}

export interface ListedPart {
  readonly uri: string;
  readonly durationS: number;
  readonly independent: boolean;
  readonly gap: boolean;
  readonly range: ByteRange | undefined;
  readonly line: number;
}

export interface ListedMap {
  readonly uri: string;
  readonly range: ByteRange | undefined;
}

export interface ListedSegment {
  readonly sequence: number;
  readonly uri: string;
  readonly durationS: number;
  readonly gap: boolean;
  readonly range: ByteRange | undefined;
  readonly map: ListedMap | undefined;
  /** Discontinuity tags before it, in this playlist. */
  readonly discontinuities: number;
  /** Milliseconds since 1970. */
  readonly dateTimeMs: number | undefined;
  readonly parts: readonly ListedPart[];
  readonly line: number;
}

export interface ReadMedia {
  readonly version: number;
  readonly targetDurationS: number | undefined;
  readonly mediaSequence: number;
  readonly discontinuitySequence: number;
  readonly type: string | undefined;
  readonly ended: boolean;
  readonly iframesOnly: boolean;
  readonly control: Attributes | undefined;
  readonly partTargetS: number | undefined;
  /** Segments that a delta update leaves out. */
  readonly skipped: number;
  readonly segments: readonly ListedSegment[];
  /** Of the segment that is not whole yet. */
  readonly openParts: readonly ListedPart[];
  readonly hints: readonly { type: string; uri: string; line: number }[];
  readonly reports: readonly {
    uri: string;
    lastSequence: number | undefined;
    lastPart: number | undefined;
    line: number;
  }[];
  readonly tags: readonly Tag[];
}

/** Of the whole playlist, once, before the first segment. */
const headers = new Set([
  "EXT-X-VERSION",
  "EXT-X-TARGETDURATION",
  "EXT-X-MEDIA-SEQUENCE",
  "EXT-X-DISCONTINUITY-SEQUENCE",
  "EXT-X-PLAYLIST-TYPE",
  "EXT-X-I-FRAMES-ONLY",
  "EXT-X-PART-INF",
  "EXT-X-SERVER-CONTROL",
  "EXT-X-INDEPENDENT-SEGMENTS",
]);
const onceAnywhere = new Set(["EXT-X-ENDLIST", "EXT-X-SKIP", "EXT-X-START"]);
const integer = /^\d{1,15}$/;

/** What a segment's tags gather until its address comes. */
interface Gathered {
  duration: Tag | undefined;
  durationS: number;
  gap: boolean;
  rangeText: string | undefined;
  dateTimeMs: number | undefined;
  parts: ListedPart[];
}

const nothing = (): Gathered => ({
  duration: undefined,
  durationS: 0,
  gap: false,
  rangeText: undefined,
  dateTimeMs: undefined,
  parts: [],
});

function readSkipped(tag: Tag | undefined, findings: Findings): number {
  const text = tag?.attributes.get("SKIPPED-SEGMENTS") ?? "0";
  if (integer.test(text)) return Number(text);
  findings.add("attribute-value", tag?.line, `SKIPPED-SEGMENTS=${text}`);
  return 0;
}

/** Reads a media playlist; what is not as it must be is found and read as far as it goes. */
export function readMedia(lines: readonly Line[], findings: Findings): ReadMedia {
  const tags = lines.filter(isTag);
  const seen = new Set<string>();
  const segments: ListedSegment[] = [];
  const ranges = new Map<string, number>();
  const first = (name: string) => tags.find((tag) => tag.name === name);
  const integerOf = (name: string): number | undefined => {
    const tag = first(name);
    if (tag === undefined) return undefined;
    if (!integer.test(tag.value)) {
      findings.add("tag-value", tag.line, `${name}:${tag.value}`);
      return undefined;
    }
    return Number(tag.value);
  };
  const rangeOf = (text: string | undefined, uri: string, line: number): ByteRange | undefined => {
    if (text === undefined) return undefined;
    const match = /^(\d{1,15})(?:@(\d{1,15}))?$/.exec(text);
    if (match === null) {
      findings.add("tag-value", line, `byte range ${text}`);
      return undefined;
    }
    const from = match[2] === undefined ? ranges.get(uri) : Number(match[2]);
    if (from === undefined) findings.add("byte-range-start", line, text);
    const sizeBytes = Number(match[1]);
    ranges.set(uri, (from ?? 0) + sizeBytes);
    return { from: from ?? 0, sizeBytes };
  };

  const mediaSequence = integerOf("EXT-X-MEDIA-SEQUENCE") ?? 0;
  const skipped = readSkipped(first("EXT-X-SKIP"), findings);
  let gathered = nothing();
  let map: ListedMap | undefined;
  let discontinuities = 0;
  let hasSegments = false;
  for (const item of lines) {
    if (!isTag(item)) {
      if (gathered.duration === undefined) findings.add("segment-duration-missing", item.line, item.uri);
      const { durationS, gap, dateTimeMs, parts } = gathered;
      const range = rangeOf(gathered.rangeText, item.uri, item.line);
      const sequence = mediaSequence + skipped + segments.length;
      const { uri, line } = item;
      segments.push({ sequence, uri, durationS, gap, range, map, discontinuities, dateTimeMs, parts, line });
      gathered = nothing();
      hasSegments = true;
      continue;
    }
    const { name, value, line, attributes } = item;
    if ((headers.has(name) || onceAnywhere.has(name)) && seen.has(name)) findings.add("tag-duplicate", line, name);
    else if (headers.has(name) && hasSegments) findings.add("tag-late", line, name);
    seen.add(name);
    switch (name) {
      case "EXTINF": {
        if (gathered.duration !== undefined) findings.add("segment-uri-missing", gathered.duration.line, "EXTINF");
        const match = /^(\d{1,15}(?:\.\d+)?)(?:,.*)?$/.exec(value);
        if (match === null) findings.add("tag-value", line, `EXTINF:${value}`);
        gathered.duration = item;
        gathered.durationS = Number(match?.[1] ?? 0);
        hasSegments = true;
        break;
      }
      case "EXT-X-GAP":
        gathered.gap = true;
        break;
      case "EXT-X-BYTERANGE":
        gathered.rangeText = value;
        break;
      case "EXT-X-PROGRAM-DATE-TIME":
        if (
          !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$/.test(value) ||
          Number.isNaN(Date.parse(value))
        )
          findings.add("tag-value", line, `${name}:${value}`);
        else gathered.dateTimeMs = Date.parse(value);
        break;
      case "EXT-X-DISCONTINUITY":
        discontinuities += 1;
        break;
      case "EXT-X-MAP": {
        const uri = attributes.get("URI") ?? "";
        map = { uri, range: rangeOf(attributes.get("BYTERANGE"), uri, line) };
        break;
      }
      case "EXT-X-PART": {
        const uri = attributes.get("URI") ?? "";
        gathered.parts.push({
          uri,
          durationS: Number(attributes.get("DURATION") ?? 0),
          independent: attributes.get("INDEPENDENT") === "YES",
          gap: attributes.get("GAP") === "YES",
          range: rangeOf(attributes.get("BYTERANGE"), uri, line),
          line,
        });
        hasSegments = true;
        break;
      }
      case "EXT-X-PLAYLIST-TYPE":
        if (value !== "VOD" && value !== "EVENT") findings.add("tag-value", line, `${name}:${value}`);
        break;
    }
  }
  if (gathered.duration !== undefined) findings.add("segment-uri-missing", gathered.duration.line, "EXTINF");
  const partTarget = first("EXT-X-PART-INF")?.attributes.get("PART-TARGET");
  return {
    version: integerOf("EXT-X-VERSION") ?? 1,
    targetDurationS: integerOf("EXT-X-TARGETDURATION"),
    mediaSequence,
    discontinuitySequence: integerOf("EXT-X-DISCONTINUITY-SEQUENCE") ?? 0,
    type: first("EXT-X-PLAYLIST-TYPE")?.value,
    ended: seen.has("EXT-X-ENDLIST"),
    iframesOnly: seen.has("EXT-X-I-FRAMES-ONLY"),
    control: first("EXT-X-SERVER-CONTROL")?.attributes,
    partTargetS: partTarget === undefined ? undefined : Number(partTarget),
    skipped,
    segments,
    openParts: gathered.parts,
    hints: tags
      .filter((tag) => tag.name === "EXT-X-PRELOAD-HINT")
      .map(({ attributes, line }) => ({
        type: attributes.get("TYPE") ?? "",
        uri: attributes.get("URI") ?? "",
        line,
      })),
    reports: tags
      .filter((tag) => tag.name === "EXT-X-RENDITION-REPORT")
      .map(({ attributes, line }) => ({
        uri: attributes.get("URI") ?? "",
        lastSequence: numberOf(attributes.get("LAST-MSN")),
        lastPart: numberOf(attributes.get("LAST-PART")),
        line,
      })),
    tags,
  };
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
