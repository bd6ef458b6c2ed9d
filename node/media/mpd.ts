import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { DateRange } from "./cue-list.ts";
import { ID3_SCHEME } from "./mp4/event-message.ts";
import { writeEvents } from "./mpd-events.ts";
import type { Rates } from "./rendition-facts.ts";

/**
 * DASH over the same segments as HLS. Names of files: `init-<version>.mp4` and `<epoch>-<start in ticks>.m4s`, below the
 * rung's name: a start says where a segment stands also where a rung has a hole, which a number does not.
 */

export interface MpdSegment {
  readonly startTicks: number;
  /** Of one that is still being written: what is expected. */
  readonly durationTicks: number;
  /** How much of it was there when it was first listed. */
  readonly writtenTicks: number;
}

/** One rung within a period. */
export interface MpdTrack {
  readonly name: string;
  readonly config: TrackConfig;
  readonly configVersion: number;
  readonly rates: Rates;
  readonly segments: readonly MpdSegment[];
  /** How long its next segment is expected to last. */
  readonly expectedTicks: number;
}

/** Rungs between which a player may change: of one codec, or one kind of sound. */
export interface MpdSet {
  /** The same in every period, so that a player finds its own again. */
  readonly id: number;
  readonly tracks: readonly MpdTrack[];
  /** When its newest segment was taken in: milliseconds since 1970, and ticks of its tracks. */
  readonly takenIn: { readonly wallClockMs: number; readonly ticks: number };
  /** Its pictures have captions of CEA-608. */
  readonly hasCaptions: boolean;
}

export interface MpdPeriod {
  readonly id: string;
  readonly epoch: number;
  /** Milliseconds since the presentation's zero. */
  readonly startMs: number;
  /** What of its epoch's clock that is, seconds. */
  readonly clockS: number;
  readonly sets: readonly MpdSet[];
}

export interface Mpd {
  readonly periods: readonly MpdPeriod[];
  /** The presentation's zero, milliseconds since 1970. */
  readonly zeroMs: number;
  readonly windowMs: number;
  readonly targetDurationS: number;
  readonly ended: boolean;
  readonly ranges?: readonly DateRange[];
  /** Segments are offered while they are being written, in parts of at most so long. Absent: once they are whole. */
  readonly partTargetMs?: number | undefined;
}

/** How far behind players are to stay, and how often they ask what is new. */
interface Pace {
  readonly updateS: number;
  readonly latencyMs: { readonly target: number; readonly min: number };
}

/**
 * dash.js (5.2) that is further behind goes to what it has that is nearest to live. Where a publisher was away that may be
 * the end of what came before, and there it stays for good; so it should not be behind for as short a break.
 */
const MOST_LATENCY_MS = 20_000;

/** A segment is known once it is over and was encoded; then a player wants two to be ahead. */
const wholePace: Pace = { updateS: 2, latencyMs: { target: 10_000, min: 6_000 } };
/**
 * A segment is known with its first part. A player hears of it a second later at most, another one where a cache stands
 * between, and wants a second to be ahead. None asks more often than once a second.
 */
const writtenPace: Pace = { updateS: 1, latencyMs: { target: 3_000, min: 2_000 } };
/** Served beside the manifest. */
const TIME_FILE = "time";
const CAPTIONS_SCHEME = "urn:scte:dash:cc:cea-608:2015";
const timing = `<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-xsdate:2014" value="${TIME_FILE}"/>`;

export function writeMpd(mpd: Mpd): string {
  const { periods, zeroMs, windowMs, targetDurationS, ended, ranges = [] } = mpd;
  const partTargetMs = ended ? undefined : mpd.partTargetMs;
  const { updateS, latencyMs } = partTargetMs === undefined ? wholePace : writtenPace;
  const endMs = endOf(periods);
  const live = [
    'type="dynamic"',
    `minimumUpdatePeriod="PT${updateS}S"`,
    `timeShiftBufferDepth="${seconds(windowMs)}"`,
    `suggestedPresentationDelay="PT${latencyMs.target / 1000}S"`,
    // When the newest segment ends: the same manifest has the same time, whoever writes it and when.
    `publishTime="${new Date(zeroMs + endMs).toISOString()}"`,
  ];
  const over = ['type="static"', `mediaPresentationDuration="${seconds(endMs)}"`];
  const head = [
    'xmlns="urn:mpeg:dash:schema:mpd:2011"',
    'profiles="urn:mpeg:dash:profile:isoff-live:2011"',
    ...(ended ? over : live),
    `availabilityStartTime="${new Date(zeroMs).toISOString()}"`,
    `minBufferTime="PT${updateS}S"`,
    `maxSegmentDuration="PT${targetDurationS}.5S"`,
  ];
  const lines = ['<?xml version="1.0" encoding="utf-8"?>', `<MPD ${head.join(" ")}>`];
  if (!ended) {
    const { target, min } = latencyMs;
    const measured = partTargetMs === undefined ? "" : ` referenceId="${periods.at(-1)?.sets[0]?.id ?? 0}"`;
    const latency = `target="${target}" min="${min}" max="${MOST_LATENCY_MS}"${measured}`;
    lines.push(
      `<ServiceDescription id="0"><Latency ${latency}/><PlaybackRate min="0.96" max="1.04"/></ServiceDescription>`,
    );
  }
  for (const [index, period] of periods.entries()) {
    const next = periods[index + 1];
    const untilMs = next === undefined ? Number.POSITIVE_INFINITY : zeroMs + next.startMs;
    const events = writeEvents(ranges, { fromMs: zeroMs + period.startMs, untilMs });
    lines.push(...writePeriod(period, events, partTargetMs));
  }
  if (!ended) lines.push(timing);
  return `${lines.join("\n")}\n</MPD>\n`;
}

function writePeriod(period: MpdPeriod, events: readonly string[], partTargetMs: number | undefined): string[] {
  const { id, startMs, sets } = period;
  const lines = [`<Period id="${id}" start="${seconds(startMs)}">`, ...events];
  const hasSound = sets.some(({ tracks }) => tracks[0]?.config.kind === "audio");
  for (const set of sets) {
    const [first] = set.tracks;
    if (first === undefined) continue;
    const { kind } = first.config;
    lines.push(
      `<AdaptationSet id="${set.id}" contentType="${kind}" mimeType="${kind}/mp4" segmentAlignment="true" startWithSAP="1">`,
      // Sound carries it, pictures where there is none. Whether any comes nobody knows; players look into segments for
      // what is named here alone.
      ...(kind === "audio" || !hasSound ? [`<InbandEventStream schemeIdUri="${ID3_SCHEME}" value=""/>`] : []),
      ...(partTargetMs === undefined ? [] : [writeReference(set)]),
      // Of which channels, and in what language, nobody knows: players take the first.
      ...(set.hasCaptions ? [`<Accessibility schemeIdUri="${CAPTIONS_SCHEME}"/>`] : []),
      '<Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>',
      ...set.tracks.flatMap((track) => writeTrack(track, period, partTargetMs)),
      "</AdaptationSet>",
    );
  }
  return [...lines, "</Period>"];
}

/** The wall clock at a time of the media, as it is now: the period's start alone would not tell how the two drift. */
function writeReference({ id, takenIn: { wallClockMs, ticks } }: MpdSet): string {
  const wallClock = new Date(wallClockMs).toISOString();
  const facts = `id="${id}" type="encoder" wallClockTime="${wallClock}" presentationTime="${ticks}"`;
  return `<ProducerReferenceTime ${facts}>${timing}</ProducerReferenceTime>`;
}

function writeTrack(track: MpdTrack, { epoch, clockS }: MpdPeriod, partTargetMs: number | undefined): string[] {
  const { name, config, configVersion, rates, segments, expectedTicks } = track;
  const facts = [
    `id="${name}"`,
    `bandwidth="${Math.ceil(rates.peakBitrate)}"`,
    `codecs="${escapeXml(config.codecString)}"`,
    ...(config.kind === "video"
      ? [`width="${config.width}"`, `height="${config.height}"`]
      : [`audioSamplingRate="${config.sampleRate}"`]),
  ];
  if (config.kind === "video" && rates.frameRate !== undefined)
    facts.push(`frameRate="${Math.round(rates.frameRate * 1000)}/1000"`);
  const lines = [`<Representation ${facts.join(" ")}>`];
  if (config.kind === "audio") {
    const scheme = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011";
    lines.push(`<AudioChannelConfiguration schemeIdUri="${scheme}" value="${config.channels}"/>`);
  }
  const { timescale } = config;
  // How long before its end a segment is there: its first part.
  const aheadS = partTargetMs === undefined ? 0 : Math.max(0, expectedTicks / timescale - partTargetMs / 1000);
  const early =
    partTargetMs === undefined ? "" : ` availabilityTimeOffset="${aheadS.toFixed(3)}" availabilityTimeComplete="false"`;
  lines.push(
    `<SegmentTemplate timescale="${timescale}" presentationTimeOffset="${Math.round(clockS * timescale)}"${early}` +
      ` initialization="${name}/init-${configVersion}.mp4" media="${name}/${epoch}-$Time$.m4s"><SegmentTimeline>`,
  );
  for (const [index, { startTicks, durationTicks }] of segments.entries()) {
    // Where the next one follows, this one lasts until then: rounding must leave no hole, and no overlap.
    const next = segments[index + 1]?.startTicks ?? Number.POSITIVE_INFINITY;
    const isNext = next > startTicks && next - startTicks < 1.5 * durationTicks;
    lines.push(`<S t="${startTicks}" d="${isNext ? next - startTicks : durationTicks}"/>`);
  }
  return [...lines, "</SegmentTimeline></SegmentTemplate>", "</Representation>"];
}

/** Where what is there of the last segment ends, milliseconds since the presentation's zero. */
function endOf(periods: readonly MpdPeriod[]): number {
  const last = periods.at(-1);
  if (last === undefined) return 0;
  const ends = last.sets.flatMap(({ tracks }) =>
    tracks.flatMap(({ config, segments }) =>
      segments.map(({ startTicks, writtenTicks }) => (startTicks + writtenTicks) / config.timescale),
    ),
  );
  return last.startMs + (Math.max(last.clockS, ...ends) - last.clockS) * 1000;
}

function seconds(ms: number): string {
  return `PT${(Math.max(0, ms) / 1000).toFixed(3)}S`;
}

function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
