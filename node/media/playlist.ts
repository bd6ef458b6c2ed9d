import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import type { DateRange } from "./cue-list.ts";

/**
 * HLS playlists as text. Names of files: `index.m3u8`, `iframes.m3u8`, `init-<version>.mp4`, `<sequence>.m4s` and
 * `<sequence>.<part>.m4s`, below the rung's name.
 */

/** EXT-X-MAP outside of I-frame playlists needs 6; fMP4 with EXT-X-GAP is read by everything that knows 7. */
const HLS_VERSION = 7;
/** EXT-X-SKIP needs it, and only a player that knows it asks for one. */
const DELTA_VERSION = 9;
/** The least that the standard has: older segments than so many target durations may be left out of an update. */
const SKIP_TARGETS = 6;
/** What the standard advises: a player stands at least so many parts behind the end. */
const HOLD_BACK_PARTS = 3;

interface SegmentHead {
  readonly sequence: number;
  readonly epoch: number;
  readonly configVersion: number;
  /** When its first picture was taken in, milliseconds since 1970. */
  readonly wallClockMs: number;
  readonly parts?: readonly PlaylistPart[];
}

export interface PlaylistPart {
  readonly durationS: number;
  /** A player may begin with it. */
  readonly independent: boolean;
  /** This rung never got it. */
  readonly gap: boolean;
}

/** What makes a playlist one of low latency. */
export interface PlaylistTail {
  readonly partTargetS: number;
  /** The segment that is not whole yet, or not listed as that. */
  readonly open?: SegmentHead | undefined;
  /** What comes next. */
  readonly hint?: { readonly sequence: number; readonly part: number } | undefined;
}

export interface PlaylistSegment extends SegmentHead {
  readonly durationS: number;
  /** This rung never got it: EXT-X-GAP. */
  readonly gap: boolean;
  /** Bytes up to the end of the key frame that it begins with. */
  readonly headSizeBytes?: number | undefined;
}

/** How far another rendition has come, for a player that changes to it. */
export interface RenditionReport {
  readonly name: string;
  readonly lastSequence: number;
  readonly lastPart?: number | undefined;
}

export interface MediaPlaylist {
  /** Consecutive sequences, oldest first, at least one. */
  readonly segments: readonly PlaylistSegment[];
  readonly targetDurationS: number;
  /** `event`: nothing is ever removed. */
  readonly type: "live" | "event";
  readonly ended: boolean;
  readonly reports?: readonly RenditionReport[];
  readonly ranges?: readonly DateRange[];
  /** A delta update: without what a player that loaded the playlist a moment ago has. */
  readonly skip?: boolean;
  readonly tail?: PlaylistTail | undefined;
}

export interface MasterVideo {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly codecString: string;
  /** Bits per second, peak of any segment, and mean. */
  readonly peakBitrate: number;
  readonly averageBitrate: number;
  readonly frameRate?: number | undefined;
  /** The same of its key frames alone; 0 where there are none. */
  readonly iframePeakBitrate: number;
  readonly iframeAverageBitrate: number;
  /** Name of the audio rung that plays beside it. */
  readonly audio?: string | undefined;
}

export interface MasterAudio {
  readonly name: string;
  readonly codecString: string;
  readonly channels: number;
  readonly peakBitrate: number;
  readonly averageBitrate: number;
}

/** Variants are listed as given: the first is what a player starts with. Without a picture the sounds are the variants. */
export function writeMasterPlaylist(videos: readonly MasterVideo[], audios: readonly MasterAudio[]): string {
  const lines = ["#EXTM3U", `#EXT-X-VERSION:${HLS_VERSION}`, "#EXT-X-INDEPENDENT-SEGMENTS"];
  if (videos.length === 0) return `${[...lines, ...audios.flatMap(listSound)].join("\n")}\n`;
  for (const audio of audios) {
    lines.push(
      `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="${audio.name}",NAME="${audio.name}",DEFAULT=YES,AUTOSELECT=YES,` +
        `CHANNELS="${audio.channels}",URI="${audio.name}/index.m3u8"`,
    );
  }
  for (const video of videos) {
    const audio = audios.find((item) => item.name === video.audio);
    const codecs = audio === undefined ? video.codecString : `${video.codecString},${audio.codecString}`;
    const attributes = [
      `BANDWIDTH=${Math.ceil(video.peakBitrate + (audio?.peakBitrate ?? 0))}`,
      `AVERAGE-BANDWIDTH=${Math.ceil(video.averageBitrate + (audio?.averageBitrate ?? 0))}`,
      `RESOLUTION=${video.width}x${video.height}`,
      `CODECS="${codecs}"`,
    ];
    if (video.frameRate !== undefined) attributes.push(`FRAME-RATE=${video.frameRate.toFixed(3)}`);
    if (audio !== undefined) attributes.push(`AUDIO="${audio.name}"`);
    lines.push(`#EXT-X-STREAM-INF:${attributes.join(",")}`, `${video.name}/index.m3u8`);
  }
  for (const { name, width, height, codecString, iframePeakBitrate, iframeAverageBitrate } of videos) {
    if (iframePeakBitrate === 0) continue;
    const rates = `BANDWIDTH=${Math.ceil(iframePeakBitrate)},AVERAGE-BANDWIDTH=${Math.ceil(iframeAverageBitrate)}`;
    const picture = `RESOLUTION=${width}x${height},CODECS="${codecString}"`;
    lines.push(`#EXT-X-I-FRAME-STREAM-INF:${rates},${picture},URI="${name}/iframes.m3u8"`);
  }
  return `${lines.join("\n")}\n`;
}

function listSound({ name, codecString, peakBitrate, averageBitrate }: MasterAudio): string[] {
  const rates = `BANDWIDTH=${Math.ceil(peakBitrate)},AVERAGE-BANDWIDTH=${Math.ceil(averageBitrate)}`;
  return [`#EXT-X-STREAM-INF:${rates},CODECS="${codecString}"`, `${name}/index.m3u8`];
}

/**
 * The discontinuity sequence is the first segment's epoch, and a discontinuity stands where the epoch changes: so every
 * edge and every rung counts them alike, also one that joined late.
 */
export function writeMediaPlaylist(playlist: MediaPlaylist): string {
  const { segments, targetDurationS, ended, reports = [], ranges = [], tail } = playlist;
  const skipped = playlist.skip === true ? countSkipped(segments, targetDurationS) : 0;
  const lines = writeHead(playlist, skipped > 0 ? DELTA_VERSION : HLS_VERSION);
  const control = [`CAN-BLOCK-RELOAD=YES`, `CAN-SKIP-UNTIL=${SKIP_TARGETS * targetDurationS}.0`];
  if (tail !== undefined) control.push(`PART-HOLD-BACK=${(HOLD_BACK_PARTS * tail.partTargetS).toFixed(3)}`);
  lines.push(`#EXT-X-SERVER-CONTROL:${control.join(",")}`);
  if (tail !== undefined) lines.push(`#EXT-X-PART-INF:PART-TARGET=${tail.partTargetS.toFixed(5)}`);
  if (skipped > 0) lines.push(`#EXT-X-SKIP:SKIPPED-SEGMENTS=${skipped}`);
  lines.push(...ranges.map(writeRange));
  lines.push(...writeSegments(segments, skipped, targetDurationS));
  if (tail !== undefined && !ended) lines.push(...writeTail(segments.at(-1)!, tail));
  if (ended) lines.push("#EXT-X-ENDLIST");
  for (const { name, lastSequence, lastPart } of reports) {
    const part = lastPart === undefined ? "" : `,LAST-PART=${lastPart}`;
    lines.push(`#EXT-X-RENDITION-REPORT:URI="../${name}/index.m3u8",LAST-MSN=${lastSequence}${part}`);
  }
  return `${lines.join("\n")}\n`;
}

function writeRange({ id, startMs, endMs, plannedS, commands }: DateRange): string {
  const attributes = [`ID="${id}"`, `START-DATE="${new Date(startMs).toISOString()}"`];
  if (endMs !== undefined) attributes.push(`END-DATE="${new Date(endMs).toISOString()}"`);
  if (plannedS !== undefined) attributes.push(`PLANNED-DURATION=${plannedS.toFixed(3)}`);
  for (const [name, command] of Object.entries(commands)) {
    attributes.push(`${name}=0x${bytesToHex(command).slice(2).toUpperCase()}`);
  }
  return `#EXT-X-DATERANGE:${attributes.join(",")}`;
}

/** The key frame that each segment begins with, as a byte range; a segment without one is a gap. */
export function writeIframePlaylist(playlist: MediaPlaylist): string {
  const { segments, targetDurationS, ended } = playlist;
  const lines = [...writeHead(playlist, HLS_VERSION), "#EXT-X-I-FRAMES-ONLY"];
  const shown = segments.map((segment) => ({ ...segment, gap: segment.gap || segment.headSizeBytes === undefined }));
  lines.push(...writeSegments(shown, 0, targetDurationS, ({ headSizeBytes }) => headSizeBytes));
  if (ended) lines.push("#EXT-X-ENDLIST");
  return `${lines.join("\n")}\n`;
}

function writeHead({ segments, targetDurationS, type }: MediaPlaylist, version: number): string[] {
  const first = segments[0]!;
  const lines = [
    "#EXTM3U",
    `#EXT-X-VERSION:${version}`,
    `#EXT-X-TARGETDURATION:${targetDurationS}`,
    `#EXT-X-MEDIA-SEQUENCE:${first.sequence}`,
    `#EXT-X-DISCONTINUITY-SEQUENCE:${first.epoch}`,
    "#EXT-X-INDEPENDENT-SEGMENTS",
  ];
  if (type === "event") lines.push("#EXT-X-PLAYLIST-TYPE:EVENT");
  return lines;
}

/** Segments from number `from` of the list on. A delta update begins as the list before it ends. */
function writeSegments(
  segments: readonly PlaylistSegment[],
  from: number,
  targetDurationS: number,
  rangeOf?: (segment: PlaylistSegment) => number | undefined,
): string[] {
  const lines: string[] = [];
  let before: SegmentHead | undefined = segments[from - 1];
  for (const segment of segments.slice(from)) {
    lines.push(...writeSegmentHead(segment, before, segments[0]!.epoch));
    if (segment.gap) lines.push("#EXT-X-GAP");
    lines.push(...writeParts(segment));
    const sizeBytes = segment.gap ? undefined : rangeOf?.(segment);
    if (sizeBytes !== undefined) lines.push(`#EXT-X-BYTERANGE:${sizeBytes}@0`);
    lines.push(`#EXTINF:${writtenDuration(segment, targetDurationS).toFixed(5)},`, `${segment.sequence}.m4s`);
    before = segment;
  }
  return lines;
}

/** What holds from a segment on: breaks before it, its configuration, its time. */
function writeSegmentHead(
  { epoch, configVersion, wallClockMs }: SegmentHead,
  before: SegmentHead | undefined,
  firstEpoch: number,
): string[] {
  const lines: string[] = [];
  // An epoch that a rung has no segment of still counts: one tag for each that passed.
  for (let passed = before?.epoch ?? firstEpoch; passed < epoch; passed += 1) lines.push("#EXT-X-DISCONTINUITY");
  if (configVersion !== before?.configVersion) lines.push(`#EXT-X-MAP:URI="init-${configVersion}.mp4"`);
  lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(wallClockMs).toISOString()}`);
  return lines;
}

function writeParts({ sequence, parts = [] }: SegmentHead): string[] {
  return parts.map(({ durationS, independent, gap }, part) => {
    const flags = `${independent ? ",INDEPENDENT=YES" : ""}${gap ? ",GAP=YES" : ""}`;
    return `#EXT-X-PART:DURATION=${durationS.toFixed(5)},URI="${sequence}.${part}.m4s"${flags}`;
  });
}

/** The open segment's parts, and what comes after all that is there: a player asks for it and waits. */
function writeTail(last: SegmentHead, { open, hint }: PlaylistTail): string[] {
  const lines = open === undefined ? [] : [...writeSegmentHead(open, last, last.epoch), ...writeParts(open)];
  if (hint !== undefined) lines.push(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI="${hint.sequence}.${hint.part}.m4s"`);
  return lines;
}

/** A player may refuse a segment that rounds above the target; only a broken source makes one. */
function writtenDuration({ durationS }: PlaylistSegment, targetDurationS: number): number {
  return Math.min(durationS, targetDurationS + 0.499);
}

/** How many of the oldest are so far from the end that an update may leave them out. */
function countSkipped(segments: readonly PlaylistSegment[], targetDurationS: number): number {
  let listedS = 0;
  let first = segments.length;
  while (first > 0 && listedS < SKIP_TARGETS * targetDurationS) {
    first -= 1;
    listedS += writtenDuration(segments[first]!, targetDurationS);
  }
  return first;
}
