import type { FetchedMedia, FetchFile } from "./check-stream.ts";
import type { ByteRange, ListedSegment } from "./media-playlist.ts";
import { type InitFacts, readFirstSample, readInit } from "./mp4-facts.ts";
import type { Findings } from "./rules.ts";

export interface FileFacts {
  readonly inits: readonly InitFacts[];
  /** Bits per second. */
  readonly peak: number;
  readonly average: number;
}

/** Of one playlist, the newest: a recording of days would be read for days. */
const MOST_SEGMENTS = 1_000;

/** An address as a playlist names it; as it stands there where it is none, so that nothing is found under it. */
export function resolveUri(uri: string, base: string): string {
  return URL.parse(uri, base)?.href ?? uri;
}

/** Reads the files of a media playlist, and holds them against what it says of them. */
export async function checkFiles(
  { url, media }: Pick<FetchedMedia, "url" | "media">,
  fetchFile: FetchFile,
  findings: Findings,
): Promise<FileFacts> {
  const inits = new Map<string, InitFacts>();
  const sizes: { sizeBytes: number; durationS: number }[] = [];
  const read = async (uri: string, range: ByteRange | undefined) =>
    sliceOf(await fetchFile(resolveUri(uri, url)), range);

  for (const segment of media.segments.slice(-MOST_SEGMENTS)) {
    const { uri, gap, line, range, map, durationS } = segment;
    if (map !== undefined && !inits.has(map.uri)) {
      const facts = readInit((await read(map.uri, map.range)) ?? new Uint8Array());
      if (facts === undefined) findings.add("map-invalid", line, map.uri);
      inits.set(map.uri, facts ?? { codec: "", width: 0, height: 0 });
    }
    if (gap) continue;
    const bytes = await fetchFile(resolveUri(uri, url));
    if (bytes === undefined) {
      findings.add("file-missing", line, uri);
      continue;
    }
    const body = sliceOf(bytes, range)!;
    if (media.iframesOnly) checkIframe(segment, bytes, findings);
    else sizes.push({ sizeBytes: body.length, durationS });
    await checkParts(segment, body, read, findings);
  }
  const known = [...inits.values()].filter(({ codec }) => codec !== "");
  return { inits: known, ...ratesOf(sizes, media.targetDurationS ?? 0) };
}

/** Of bytes, those that a range names; as far as they are there. */
export function sliceOf(bytes: Uint8Array | undefined, range: ByteRange | undefined): Uint8Array | undefined {
  return range === undefined ? bytes : bytes?.subarray(range.from, range.from + range.sizeBytes);
}

function checkIframe({ uri, range, line }: ListedSegment, bytes: Uint8Array, findings: Findings): void {
  if (range !== undefined && range.from + range.sizeBytes > bytes.length) {
    findings.add("iframe-range", line, `${uri}: ${range.from}+${range.sizeBytes} of ${bytes.length}`);
    return;
  }
  const first = readFirstSample(sliceOf(bytes, range)!);
  if (first?.key !== true) findings.add("iframe-not-key", line, uri);
}

async function checkParts(
  { parts, uri, line }: ListedSegment,
  whole: Uint8Array,
  read: (uri: string, range: ByteRange | undefined) => Promise<Uint8Array | undefined>,
  findings: Findings,
): Promise<void> {
  let at = 0;
  for (const part of parts) {
    if (part.gap) return;
    const bytes = await read(part.uri, part.range);
    if (bytes === undefined) {
      findings.add("file-missing", part.line, part.uri);
      return;
    }
    const isSame = bytes.every((byte, index) => byte === whole[at + index]);
    if (!isSame || at + bytes.length > whole.length) {
      findings.add("part-differs", part.line, part.uri);
      return;
    }
    at += bytes.length;
  }
  if (parts.length > 0 && at !== whole.length) findings.add("part-differs", line, `${uri}: ${at} of ${whole.length}`);
}

/**
 * The peak is that of any run of segments between half and one and a half target durations long, as the standard
 * counts it; of a stream shorter than that, its mean.
 */
function ratesOf(
  sizes: readonly { sizeBytes: number; durationS: number }[],
  targetDurationS: number,
): { peak: number; average: number } {
  const total = sizes.reduce(
    (sum, item) => ({ bits: sum.bits + item.sizeBytes * 8, seconds: sum.seconds + item.durationS }),
    { bits: 0, seconds: 0 },
  );
  const average = total.seconds === 0 ? 0 : total.bits / total.seconds;
  let peak = 0;
  for (let from = 0; from < sizes.length; from += 1) {
    let [bits, seconds] = [0, 0];
    for (const { sizeBytes, durationS } of sizes.slice(from)) {
      bits += sizeBytes * 8;
      seconds += durationS;
      if (seconds > 1.5 * targetDurationS) break;
      if (seconds >= 0.5 * targetDurationS) peak = Math.max(peak, bits / seconds);
    }
  }
  return { peak: peak === 0 ? average : peak, average };
}
