import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { type LiveSegment, type OpenSegment, startOf } from "./live-segment.ts";
import type { MpdPeriod, MpdSet, MpdTrack } from "./mpd.ts";
import type { Rates } from "./rendition-facts.ts";

/** A rendition that is played, and what is listed of it. */
export interface MpdSource {
  readonly info: RenditionInfo;
  readonly configs: ReadonlyMap<number, TrackConfig>;
  readonly rates: Rates;
  /** In order. */
  readonly segments: readonly LiveSegment[];
  /** The one that is being written, where it is to be listed. */
  readonly open?: OpenSegment | undefined;
  /** The first segment whose pictures are said to have captions of CEA-608; undefined: none. */
  readonly captionsFrom?: number | undefined;
}

/** What stands in a period. */
interface ListedSegment extends Pick<LiveSegment, "sequence" | "epoch" | "configVersion" | "wallClockMs" | "parts"> {
  readonly durationTicks: number;
  readonly writtenTicks: number;
}

interface ListedSource extends Omit<MpdSource, "segments" | "open"> {
  readonly segments: readonly ListedSegment[];
  readonly expectedTicks: number;
}

/** Where a clock and the wall clock met: a segment's start on both. */
interface Anchor {
  readonly wallClockMs: number;
  readonly clockS: number;
}

interface Span {
  readonly id: string;
  /** Codecs whose pictures have captions. */
  readonly captioned: ReadonlySet<RenditionInfo["codec"]>;
  readonly epoch: number;
  readonly sequences: Set<number>;
}

/**
 * A stream's periods: one for each epoch, cut where a rung's configuration changes, and where captions begin: dash.js
 * loses a set that is described otherwise in the same period. A period's start never moves, though
 * the segments that it began with leave the window, and later periods of an epoch go on with its clock.
 */
export class MpdPeriods {
  readonly #epochs = new Map<number, Anchor>();
  readonly #starts = new Map<string, number>();
  readonly #captioned = new Map<string, Span["captioned"]>();
  #zeroMs: number | undefined;

  /** The presentation's zero: when the first segment ever listed here was taken in. */
  get zeroMs(): number {
    return this.#zeroMs ?? 0;
  }

  arrange(given: readonly MpdSource[]): MpdPeriod[] {
    const sources = listSources(given);
    const spans = findSpans(sources, this.#captioned);
    for (const { id, captioned } of spans) this.#captioned.set(id, captioned);
    const periods = spans.map((span): MpdPeriod => {
      const { id, epoch, sequences } = span;
      const listed = sources.flatMap((source) =>
        source.segments
          .filter((segment) => segment.epoch === epoch && sequences.has(segment.sequence))
          .map((segment) => ({ segment, atS: startOf(segment) / timescaleOf(source, segment) })),
      );
      const first = listed.reduce((least, item) => (item.atS < least.atS ? item : least));
      const anchor = this.#epochs.get(epoch) ?? { wallClockMs: first.segment.wallClockMs, clockS: first.atS };
      this.#epochs.set(epoch, anchor);
      this.#zeroMs ??= anchor.wallClockMs;
      const clockS = this.#starts.get(id) ?? first.atS;
      this.#starts.set(id, clockS);
      const startMs = anchor.wallClockMs - this.#zeroMs + (clockS - anchor.clockS) * 1000;
      return { id, epoch, startMs, clockS, sets: makeSets(sources, span) };
    });
    // What left the window for good is not asked for again.
    for (const known of [this.#starts, this.#captioned])
      for (const id of known.keys()) if (!spans.some((span) => span.id === id)) known.delete(id);
    for (const epoch of this.#epochs.keys()) if (epoch < (spans[0]?.epoch ?? 0)) this.#epochs.delete(epoch);
    return periods;
  }
}

/**
 * Adds segments that are being written. One that breaks with what was before begins a period, which it does with those of
 * all rungs: a player that finds a period without a picture goes on without one.
 */
function listSources(sources: readonly MpdSource[]): ListedSource[] {
  const epoch = Math.max(...sources.map(({ segments }) => segments.at(-1)?.epoch ?? 0));
  const [first] = sources;
  const areAllThere = sources.every(
    ({ open }) => open !== undefined && open.sequence === first?.open?.sequence && open.epoch === first.open.epoch,
  );
  return sources.map(({ segments, open, ...source }) => {
    const closed = segments.map((segment) => ({ ...segment, writtenTicks: segment.durationTicks }));
    const expectedTicks = expectTicks(segments);
    const goesOn = open?.epoch === epoch && open.configVersion === segments.at(-1)?.configVersion;
    const written = open?.parts[0]?.durationTicks ?? 0;
    const last =
      open !== undefined && (goesOn || areAllThere)
        ? [{ ...open, durationTicks: expectedTicks, writtenTicks: written }]
        : [];
    return { ...source, segments: [...closed, ...last], expectedTicks };
  });
}

/** Of the shortest, so much is expected at most: less than it and the next together. */
const MOST_EXPECTED = 1.75;

/**
 * How long a segment will last that is being written. A player looks for the next one where it expects this one's end: a
 * little too late finds it all the same, too early finds this one again, much too late passes over one.
 *
 * Segments of 2.0 and 2.1 s: 2.1 s. Of 2 and 4 s: 3.5 s, so that two of 2 s are not passed over.
 */
function expectTicks(segments: readonly LiveSegment[]): number {
  const version = segments.at(-1)?.configVersion;
  const lasted = segments.filter(({ configVersion }) => configVersion === version);
  const ticks = lasted.map(({ durationTicks }) => durationTicks).filter((duration) => duration > 0);
  return ticks.length === 0 ? 0 : Math.floor(Math.min(Math.max(...ticks), MOST_EXPECTED * Math.min(...ticks)));
}

function timescaleOf({ configs }: ListedSource, { configVersion }: ListedSegment): number {
  return configs.get(configVersion)?.timescale ?? 1;
}

/** A codec's set has the same number also where another codec comes late. */
const setOrder: readonly RenditionInfo["codec"][] = ["h264", "hevc", "vp9", "av1", "aac", "opus"];

/**
 * Versions only rise, so their sum names which of them are in use.
 * @param known Of periods that were named before, the codecs that were said to have captions.
 */
function findSpans(sources: readonly ListedSource[], known: ReadonlyMap<string, Span["captioned"]>): Span[] {
  const versions = new Map(sources.map(({ info, segments }) => [info.rung, segments[0]?.configVersion ?? 0]));
  const bySequence = new Map<number, { epoch: number; changed: [rung: number, version: number][] }>();
  for (const { info, segments } of sources) {
    for (const { sequence, epoch, configVersion } of segments) {
      const found = bySequence.get(sequence) ?? { epoch, changed: [] };
      bySequence.set(sequence, found);
      found.changed.push([info.rung, configVersion]);
    }
  }
  const spans = new Map<string, Span>();
  for (const [sequence, { epoch, changed }] of [...bySequence].sort(([left], [right]) => left - right)) {
    for (const [rung, version] of changed) versions.set(rung, version);
    const codecs = sources.filter(({ captionsFrom = Number.POSITIVE_INFINITY }) => captionsFrom <= sequence);
    const sum = [...versions.values()].reduce((total, version) => total + version, 0);
    const id = `${epoch}-${sum}${codecs.length > 0 ? "-captions" : ""}`;
    const captioned = known.get(id) ?? new Set(codecs.map(({ info }) => info.codec));
    const span = spans.get(id) ?? { id, epoch, captioned, sequences: new Set<number>() };
    spans.set(id, span);
    span.sequences.add(sequence);
  }
  return [...spans.values()];
}

function makeSets(sources: readonly ListedSource[], span: Span): MpdSet[] {
  const codecs = setOrder.filter((codec) => sources.some(({ info }) => info.codec === codec));
  return codecs.map((codec) => {
    const own = sources.filter(({ info }) => info.codec === codec);
    const newest = own.map((source) => segmentsOf(source, span).at(-1)).find((segment) => segment !== undefined);
    const takenIn = { wallClockMs: newest?.wallClockMs ?? 0, ticks: newest === undefined ? 0 : startOf(newest) };
    const tracks = own.flatMap((source) => makeTrack(source, span));
    return { id: setOrder.indexOf(codec) + 1, tracks, takenIn, hasCaptions: span.captioned.has(codec) };
  });
}

function segmentsOf({ segments }: ListedSource, { epoch, sequences }: Span): ListedSegment[] {
  return segments.filter((segment) => segment.epoch === epoch && sequences.has(segment.sequence));
}

function makeTrack(source: ListedSource, span: Span): MpdTrack[] {
  const { info, configs, rates, expectedTicks } = source;
  const own = segmentsOf(source, span);
  const configVersion = own.at(-1)?.configVersion ?? 0;
  const config = configs.get(configVersion);
  if (own.length === 0 || config === undefined) return [];
  const segments = own
    .filter((segment) => segment.configVersion === configVersion)
    .map((segment) => ({ ...segment, startTicks: startOf(segment) }));
  return [{ name: info.name, config, configVersion, rates, segments, expectedTicks }];
}
