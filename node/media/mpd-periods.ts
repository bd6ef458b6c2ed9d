import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { type LiveSegment, startOf } from "./live-segment.ts";
import type { MpdPeriod, MpdSet } from "./mpd.ts";
import type { Rates } from "./rendition-facts.ts";

/** A rendition that is played, and what is listed of it. */
export interface MpdSource {
  readonly info: RenditionInfo;
  readonly configs: ReadonlyMap<number, TrackConfig>;
  readonly rates: Rates;
  /** In order. */
  readonly segments: readonly LiveSegment[];
}

/** Where a clock and the wall clock met: a segment's start on both. */
interface Anchor {
  readonly wallClockMs: number;
  readonly clockS: number;
}

interface Span {
  readonly id: string;
  readonly epoch: number;
  readonly sequences: Set<number>;
}

/**
 * A stream's periods: one for each epoch, cut where a rung's configuration changes. A period's start never moves, though
 * the segments that it began with leave the window, and later periods of an epoch go on with its clock.
 */
export class MpdPeriods {
  readonly #epochs = new Map<number, Anchor>();
  readonly #starts = new Map<string, number>();
  #zeroMs: number | undefined;

  /** The presentation's zero: when the first segment ever listed here was taken in. */
  get zeroMs(): number {
    return this.#zeroMs ?? 0;
  }

  arrange(sources: readonly MpdSource[]): MpdPeriod[] {
    const spans = findSpans(sources);
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
    for (const id of this.#starts.keys()) if (!spans.some((span) => span.id === id)) this.#starts.delete(id);
    for (const epoch of this.#epochs.keys()) if (epoch < (spans[0]?.epoch ?? 0)) this.#epochs.delete(epoch);
    return periods;
  }
}

function timescaleOf({ configs }: MpdSource, { configVersion }: LiveSegment): number {
  return configs.get(configVersion)?.timescale ?? 1;
}

/** A codec's set has the same number also where another codec comes late. */
const setOrder: readonly RenditionInfo["codec"][] = ["h264", "hevc", "vp9", "av1", "aac", "opus"];

/** Versions only rise, so their sum names which of them are in use. */
function findSpans(sources: readonly MpdSource[]): Span[] {
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
    const id = `${epoch}-${[...versions.values()].reduce((sum, version) => sum + version, 0)}`;
    const span = spans.get(id) ?? { id, epoch, sequences: new Set<number>() };
    spans.set(id, span);
    span.sequences.add(sequence);
  }
  return [...spans.values()];
}

function makeSets(sources: readonly MpdSource[], { epoch, sequences }: Span): MpdSet[] {
  const codecs = setOrder.filter((codec) => sources.some(({ info }) => info.codec === codec));
  return codecs.map((codec) => ({
    id: setOrder.indexOf(codec) + 1,
    tracks: sources.flatMap(({ info, configs, rates, segments }) => {
      const own = segments.filter((segment) => segment.epoch === epoch && sequences.has(segment.sequence));
      const configVersion = own.at(-1)?.configVersion ?? 0;
      const config = configs.get(configVersion);
      if (info.codec !== codec || own.length === 0 || config === undefined) return [];
      const listed = own
        .filter((segment) => segment.configVersion === configVersion)
        .map((segment) => ({ startTicks: startOf(segment), durationTicks: segment.durationTicks }));
      return [{ name: info.name, config, configVersion, rates, segments: listed }];
    }),
  }));
}
