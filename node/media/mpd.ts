import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { DateRange } from "./cue-list.ts";
import { writeEvents } from "./mpd-events.ts";
import type { Rates } from "./rendition-facts.ts";

/**
 * DASH over the same segments as HLS. Names of files: `init-<version>.mp4` and `<epoch>-<start in ticks>.m4s`, below the
 * rung's name: a start says where a segment stands also where a rung has a hole, which a number does not.
 */

export interface MpdSegment {
  readonly startTicks: number;
  readonly durationTicks: number;
}

/** One rung within a period. */
export interface MpdTrack {
  readonly name: string;
  readonly config: TrackConfig;
  readonly configVersion: number;
  readonly rates: Rates;
  readonly segments: readonly MpdSegment[];
}

/** Rungs between which a player may change: of one codec, or one kind of sound. */
export interface MpdSet {
  /** The same in every period, so that a player finds its own again. */
  readonly id: number;
  readonly tracks: readonly MpdTrack[];
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
}

const UPDATE_S = 2;
/** A segment is known once it is over and was encoded; then a player wants two to be ahead. */
const DELAY_S = 10;
/** Served beside the manifest. */
const TIME_FILE = "time";

export function writeMpd(mpd: Mpd): string {
  const { periods, zeroMs, windowMs, targetDurationS, ended, ranges = [] } = mpd;
  const endMs = endOf(periods);
  const live = [
    'type="dynamic"',
    `minimumUpdatePeriod="PT${UPDATE_S}S"`,
    `timeShiftBufferDepth="${seconds(windowMs)}"`,
    `suggestedPresentationDelay="PT${DELAY_S}S"`,
    // When the newest segment ends: the same manifest has the same time, whoever writes it and when.
    `publishTime="${new Date(zeroMs + endMs).toISOString()}"`,
  ];
  const over = ['type="static"', `mediaPresentationDuration="${seconds(endMs)}"`];
  const head = [
    'xmlns="urn:mpeg:dash:schema:mpd:2011"',
    'profiles="urn:mpeg:dash:profile:isoff-live:2011"',
    ...(ended ? over : live),
    `availabilityStartTime="${new Date(zeroMs).toISOString()}"`,
    `minBufferTime="PT${UPDATE_S}S"`,
    `maxSegmentDuration="PT${targetDurationS}.5S"`,
  ];
  const lines = ['<?xml version="1.0" encoding="utf-8"?>', `<MPD ${head.join(" ")}>`];
  if (!ended) {
    const latency = `target="${DELAY_S}000" min="${DELAY_S - 4}000" max="${2 * DELAY_S}000"`;
    lines.push(
      `<ServiceDescription id="0"><Latency ${latency}/><PlaybackRate min="0.96" max="1.04"/></ServiceDescription>`,
    );
  }
  for (const [index, period] of periods.entries()) {
    const next = periods[index + 1];
    const untilMs = next === undefined ? Number.POSITIVE_INFINITY : zeroMs + next.startMs;
    lines.push(...writePeriod(period, writeEvents(ranges, { fromMs: zeroMs + period.startMs, untilMs })));
  }
  if (!ended) lines.push(`<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-xsdate:2014" value="${TIME_FILE}"/>`);
  return `${lines.join("\n")}\n</MPD>\n`;
}

function writePeriod({ id, epoch, startMs, clockS, sets }: MpdPeriod, events: readonly string[]): string[] {
  const lines = [`<Period id="${id}" start="${seconds(startMs)}">`, ...events];
  for (const set of sets) {
    const [first] = set.tracks;
    if (first === undefined) continue;
    const { kind } = first.config;
    const isVideo = kind === "video";
    lines.push(
      `<AdaptationSet id="${set.id}" contentType="${kind}" mimeType="${kind}/mp4" segmentAlignment="true" startWithSAP="1">`,
      '<Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>',
      ...set.tracks.flatMap((track) => writeTrack(track, epoch, clockS, isVideo)),
      "</AdaptationSet>",
    );
  }
  return [...lines, "</Period>"];
}

function writeTrack(track: MpdTrack, epoch: number, clockS: number, isVideo: boolean): string[] {
  const { name, config, configVersion, rates, segments } = track;
  const facts = [
    `id="${name}"`,
    `bandwidth="${Math.ceil(rates.peakBitrate)}"`,
    `codecs="${escapeXml(config.codecString)}"`,
    ...(config.kind === "video"
      ? [`width="${config.width}"`, `height="${config.height}"`]
      : [`audioSamplingRate="${config.sampleRate}"`]),
  ];
  if (isVideo && rates.frameRate !== undefined) facts.push(`frameRate="${Math.round(rates.frameRate * 1000)}/1000"`);
  const lines = [`<Representation ${facts.join(" ")}>`];
  if (config.kind === "audio") {
    const scheme = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011";
    lines.push(`<AudioChannelConfiguration schemeIdUri="${scheme}" value="${config.channels}"/>`);
  }
  const { timescale } = config;
  lines.push(
    `<SegmentTemplate timescale="${timescale}" presentationTimeOffset="${Math.round(clockS * timescale)}"` +
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

/** Where the last segment of all ends, milliseconds since the presentation's zero. */
function endOf(periods: readonly MpdPeriod[]): number {
  const last = periods.at(-1);
  if (last === undefined) return 0;
  const ends = last.sets.flatMap(({ tracks }) =>
    tracks.flatMap(({ config, segments }) =>
      segments.map(({ startTicks, durationTicks }) => (startTicks + durationTicks) / config.timescale),
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
