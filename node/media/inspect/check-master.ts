import type { Attributes } from "./attributes.ts";
import { inspectMedia, masterTags } from "./check-media.ts";
import { isTag, type Line, readLines, type Tag } from "./lines.ts";
import { type Finding, Findings } from "./rules.ts";

export interface Variant {
  readonly uri: string;
  readonly attributes: Attributes;
  readonly line: number;
  /** Lists key frames alone. */
  readonly isIframes: boolean;
}

export interface Rendition {
  readonly type: string;
  readonly group: string;
  readonly name: string;
  readonly uri: string | undefined;
  readonly attributes: Attributes;
  readonly line: number;
}

export interface ReadMaster {
  readonly variants: readonly Variant[];
  readonly renditions: readonly Rendition[];
}

/** Tags that stand in media playlists alone. */
const mediaTags = new Set([
  "EXTINF",
  "EXT-X-TARGETDURATION",
  "EXT-X-MEDIA-SEQUENCE",
  "EXT-X-DISCONTINUITY-SEQUENCE",
  "EXT-X-DISCONTINUITY",
  "EXT-X-ENDLIST",
  "EXT-X-PLAYLIST-TYPE",
  "EXT-X-I-FRAMES-ONLY",
  "EXT-X-MAP",
  "EXT-X-BYTERANGE",
  "EXT-X-GAP",
  "EXT-X-PROGRAM-DATE-TIME",
  "EXT-X-PART-INF",
  "EXT-X-PART",
  "EXT-X-SERVER-CONTROL",
  "EXT-X-PRELOAD-HINT",
  "EXT-X-RENDITION-REPORT",
  "EXT-X-SKIP",
]);
const once = new Set(["EXT-X-VERSION", "EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-START", "EXT-X-CONTENT-STEERING"]);
const groupTypes = { AUDIO: "AUDIO", VIDEO: "VIDEO", SUBTITLES: "SUBTITLES", "CLOSED-CAPTIONS": "CLOSED-CAPTIONS" };
/** RFC 6381 names of pictures. */
const picture = /^(avc[1-4]|hvc1|hev1|vp0?[89]|av01|dvh[1e])/;

/** Checks one playlist by itself, whichever kind it is. */
export function checkPlaylist(playlist: string | Uint8Array): Finding[] {
  const findings = new Findings();
  const lines = readLines(playlist, findings);
  if (isMaster(lines)) inspectMaster(lines, findings);
  else inspectMedia(lines, findings);
  return findings.list;
}

export function isMaster(lines: readonly Line[]): boolean {
  const isNamed = (names: ReadonlySet<string>) => lines.some((item) => isTag(item) && names.has(item.name));
  return isNamed(masterTags) && !lines.some((item) => isTag(item) && item.name === "EXTINF");
}

/** Reads and checks a master playlist. */
export function inspectMaster(lines: readonly Line[], findings: Findings): ReadMaster {
  const master = readMaster(lines, findings);
  if (!master.variants.some(({ isIframes }) => !isIframes)) findings.add("variant-missing", undefined, "no variant");
  for (const variant of master.variants) checkVariant(variant, master, findings);
  checkRenditions(master.renditions, findings);
  return master;
}

function readMaster(lines: readonly Line[], findings: Findings): ReadMaster {
  const variants: Variant[] = [];
  const renditions: Rendition[] = [];
  const seen = new Set<string>();
  let open: Tag | undefined;
  const leave = () => {
    if (open === undefined) return;
    findings.add("variant-uri-missing", open.line, "EXT-X-STREAM-INF");
    variants.push({ uri: "", attributes: open.attributes, line: open.line, isIframes: false });
    open = undefined;
  };
  for (const item of lines) {
    if (!isTag(item)) {
      if (open === undefined) findings.add("tag-kind", item.line, `${item.uri} belongs to no variant`);
      else variants.push({ uri: item.uri, attributes: open.attributes, line: open.line, isIframes: false });
      open = undefined;
      continue;
    }
    const { name, attributes, line } = item;
    leave();
    if (mediaTags.has(name)) findings.add("tag-kind", line, name);
    if (once.has(name) && seen.has(name)) findings.add("tag-duplicate", line, name);
    seen.add(name);
    if (name === "EXT-X-STREAM-INF") open = item;
    if (name === "EXT-X-I-FRAME-STREAM-INF") {
      variants.push({ uri: attributes.get("URI") ?? "", attributes, line, isIframes: true });
    }
    if (name === "EXT-X-MEDIA") {
      const [type, group, label] = ["TYPE", "GROUP-ID", "NAME"].map((key) => attributes.get(key) ?? "");
      renditions.push({ type: type!, group: group!, name: label!, uri: attributes.get("URI"), attributes, line });
    }
  }
  leave();
  return { variants, renditions };
}

function checkVariant({ attributes, line, uri, isIframes }: Variant, master: ReadMaster, findings: Findings): void {
  const codecs = attributes.get("CODECS");
  if (codecs === undefined) findings.add("codecs-missing", line, uri);
  const average = attributes.get("AVERAGE-BANDWIDTH");
  if (average === undefined) findings.add("average-bandwidth-missing", line, uri);
  else if (Number(average) > Number(attributes.get("BANDWIDTH"))) findings.add("average-above-peak", line, uri);
  if (codecs?.split(",").some((codec) => picture.test(codec.trim())) === true) {
    if (!attributes.has("RESOLUTION")) findings.add("resolution-missing", line, uri);
    if (!isIframes && !attributes.has("FRAME-RATE")) findings.add("frame-rate-missing", line, uri);
  }
  if (isIframes) return;
  for (const [attribute, type] of Object.entries(groupTypes)) {
    const group = attributes.get(attribute);
    if (group === undefined || (type === "CLOSED-CAPTIONS" && group === "NONE")) continue;
    if (!master.renditions.some((item) => item.type === type && item.group === group)) {
      findings.add("group-missing", line, `${attribute}="${group}"`);
    }
  }
}

function checkRenditions(renditions: readonly Rendition[], findings: Findings): void {
  const names = new Set<string>();
  const defaults = new Set<string>();
  for (const { type, group, name, uri, attributes, line } of renditions) {
    const key = `${type} ${group}`;
    if (names.has(`${key} ${name}`)) findings.add("rendition-name", line, name);
    names.add(`${key} ${name}`);
    if (attributes.get("DEFAULT") === "YES") {
      if (attributes.get("AUTOSELECT") === "NO") findings.add("rendition-default", line, "AUTOSELECT=NO");
      if (defaults.has(key)) findings.add("rendition-default", line, `a second default in ${group}`);
      defaults.add(key);
    }
    if (type === "SUBTITLES" && uri === undefined) findings.add("rendition-uri", line, "SUBTITLES without URI");
    if (type === "CLOSED-CAPTIONS" && (uri !== undefined || !attributes.has("INSTREAM-ID"))) {
      findings.add("rendition-uri", line, "CLOSED-CAPTIONS with URI, or without INSTREAM-ID");
    }
  }
}
