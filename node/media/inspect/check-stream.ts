import { checkFiles, type FileFacts, resolveUri } from "./check-files.ts";
import { inspectMaster, isMaster, type ReadMaster, type Variant } from "./check-master.ts";
import { inspectMedia } from "./check-media.ts";
import { readLines } from "./lines.ts";
import type { ReadMedia } from "./media-playlist.ts";
import { type Finding, Findings, type RuleName } from "./rules.ts";

/** What stands under an address; undefined where nothing does. */
export type FetchFile = (url: string) => Promise<Uint8Array | undefined>;

export interface StreamFinding extends Finding {
  readonly url: string;
}

export interface StreamReport {
  readonly findings: readonly StreamFinding[];
  /** Addresses of the media playlists. */
  readonly media: readonly string[];
  /** How many files were read. */
  readonly files: number;
}

/** A media playlist as it was fetched. */
export interface FetchedMedia {
  readonly url: string;
  readonly media: ReadMedia;
  /** When it was asked for; other playlists and files were read in between. */
  readonly askedAtMs: number;
  /** Absent where files are not looked at. */
  readonly facts?: FileFacts | undefined;
}

export interface InspectOptions {
  /** Fetch and read init segments and media too. */
  readonly files?: boolean;
  /** Milliseconds of any clock that goes evenly; without one, no time passes between two playlists. */
  readonly nowMs?: () => number;
  /** Why a playlist that was asked for is not there. */
  readonly whyMissing?: (url: string) => string;
}

/** How a BANDWIDTH that was written before the segments were may be exceeded. */
const RATE_TOLERANCE = 1.1;

/** Checks everything that an address leads to: a master playlist and all below it, or one media playlist. */
export async function checkStream(
  url: string,
  fetchFile: FetchFile,
  { files = true, nowMs = () => 0, whyMissing = () => "no answer" }: InspectOptions = {},
): Promise<StreamReport> {
  const findings: StreamFinding[] = [];
  const add = (at: string, list: readonly Finding[]) => findings.push(...list.map((item) => ({ ...item, url: at })));
  // Names alone: what a stream's files hold together is more than a machine may have room for.
  const read = new Set<string>();
  const fetchCounted: FetchFile = (wanted) => {
    read.add(wanted);
    return fetchFile(wanted);
  };
  const medias = new Map<string, FetchedMedia>();
  const readMediaAt = async (at: string) => {
    const askedAtMs = nowMs();
    const bytes = await fetchFile(at);
    const own = new Findings();
    if (bytes === undefined) own.add("file-missing", undefined, whyMissing(at));
    else {
      const media = inspectMedia(readLines(bytes, own), own);
      const facts = files ? await checkFiles({ url: at, media }, fetchCounted, own) : undefined;
      medias.set(at, { url: at, media, askedAtMs, facts });
    }
    add(at, own.list);
  };

  const own = new Findings();
  const bytes = await fetchFile(url);
  if (bytes === undefined) {
    // What is not there breaks no other rule.
    own.add("file-missing", undefined, whyMissing(url));
    add(url, own.list);
    return { findings, media: [], files: 0 };
  }
  const lines = readLines(bytes, own);
  if (!isMaster(lines)) {
    await readMediaAt(url);
    return { findings, media: [url], files: read.size };
  }
  const master = inspectMaster(lines, own);
  for (const at of addressesOf(master, url)) await readMediaAt(at);
  compareRenditions(master, url, medias, add);
  for (const variant of master.variants) checkVariantFiles(variant, master, url, medias, own);
  add(url, own.list);
  return { findings, media: [...medias.keys()], files: read.size };
}

function addressesOf({ variants, renditions }: ReadMaster, base: string): Set<string> {
  const uris = [...variants.map(({ uri }) => uri), ...renditions.map(({ uri }) => uri)];
  return new Set(uris.flatMap((uri) => (uri === undefined || uri === "" ? [] : [resolveUri(uri, base)])));
}

/** What all media playlists of a stream have in common. */
function compareRenditions(
  { variants }: ReadMaster,
  base: string,
  medias: ReadonlyMap<string, FetchedMedia>,
  add: (url: string, list: readonly Finding[]) => void,
): void {
  const iframes = new Set(variants.filter(({ isIframes }) => isIframes).map(({ uri }) => resolveUri(uri, base)));
  const all = [...medias.values()].filter(({ url }) => !iframes.has(url));
  const [first] = all;
  const places = new Map<number, number>();
  for (const { url, media, askedAtMs } of all) {
    const tell = (rule: RuleName, line: number | undefined, found: string) => add(url, [{ rule, line, found }]);
    if (media.targetDurationS !== first?.media.targetDurationS) {
      tell("target-duration-differs", undefined, `${media.targetDurationS}, ${first?.media.targetDurationS}`);
    }
    for (const { sequence, discontinuities, line } of media.segments) {
      const place = media.discontinuitySequence + discontinuities;
      const known = places.get(sequence) ?? place;
      places.set(sequence, known);
      if (known !== place) {
        tell("discontinuity-differs", line, `${sequence}: ${place}, ${known}`);
        break;
      }
    }
    if (media.partTargetS !== undefined && !media.ended) checkReports({ url, media, askedAtMs }, all, tell);
  }
}

function checkReports(
  { url, media, askedAtMs }: Omit<FetchedMedia, "facts">,
  all: readonly FetchedMedia[],
  tell: (rule: RuleName, line: number | undefined, found: string) => void,
): void {
  for (const other of all) {
    if (other.url === url) continue;
    const report = media.reports.find(({ uri }) => resolveUri(uri, url) === other.url);
    if (report === undefined) tell("report-missing", undefined, other.url);
    else {
      const newest =
        other.media.mediaSequence + other.media.segments.length - (other.media.openParts.length > 0 ? 0 : 1);
      // One was fetched before the other: as many segments may have come between as there was time for.
      const shortestMs = Math.min(...other.media.segments.map(({ durationS }) => durationS * 1_000));
      const between = 1 + Math.floor(Math.abs(other.askedAtMs - askedAtMs) / Math.max(shortestMs, 1));
      const isNear = report.lastSequence !== undefined && Math.abs(report.lastSequence - newest) <= between;
      if (!isNear) tell("report-stale", report.line, `${report.lastSequence}, where ${newest} is there`);
    }
  }
}

function checkVariantFiles(
  { uri, attributes, line, isIframes }: Variant,
  { renditions }: ReadMaster,
  base: string,
  medias: ReadonlyMap<string, FetchedMedia>,
  findings: Findings,
): void {
  const own = medias.get(resolveUri(uri, base));
  const groups = renditions.filter(
    ({ type, group, uri: at }) => at !== undefined && type === "AUDIO" && group === attributes.get("AUDIO"),
  );
  const sounds = isIframes ? [] : groups.map(({ uri: at }) => medias.get(resolveUri(at!, base)));
  const wanted = (attributes.get("CODECS") ?? "").split(",").map((codec) => codec.trim().toLowerCase());
  const rates = { peak: 0, average: 0 };
  for (const fetched of [own, ...sounds.slice(0, 1)]) {
    if (fetched?.facts === undefined) continue;
    const { inits, peak, average } = fetched.facts;
    rates.peak += peak;
    rates.average += average;
    for (const { codec, width, height } of inits) {
      if (attributes.has("CODECS") && !wanted.some((name) => name.startsWith(codec.toLowerCase()))) {
        findings.add("codecs-differ", line, `${wanted.join(",")}, where ${codec} is in ${fetched.url}`);
      }
      const size = attributes.get("RESOLUTION");
      if (width > 0 && size !== undefined && size !== `${width}x${height}`) {
        findings.add("resolution-differs", line, `${size}, where ${width}x${height} is in ${fetched.url}`);
      }
    }
  }
  const peak = Number(attributes.get("BANDWIDTH") ?? Number.POSITIVE_INFINITY);
  const average = Number(attributes.get("AVERAGE-BANDWIDTH") ?? Number.POSITIVE_INFINITY);
  if (rates.peak > peak * RATE_TOLERANCE) findings.add("bandwidth-exceeded", line, `${Math.round(rates.peak)} b/s`);
  if (rates.average > average * RATE_TOLERANCE) {
    findings.add("average-bandwidth-exceeded", line, `${Math.round(rates.average)} b/s`);
  }
}
