import { CodedError } from "@leat/sdk/base/errors.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { audioCodecOf, type Family, type RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { TARGET_DURATION_S } from "./boundaries.ts";
import { keyFrameSize, type LiveSegment, startOf } from "./live-segment.ts";
import { writeMpd } from "./mpd.ts";
import { MpdPeriods } from "./mpd-periods.ts";
import { findPlayable } from "./playable.ts";
import { type PlaylistSegment, writeIframePlaylist, writeMasterPlaylist, writeMediaPlaylist } from "./playlist.ts";
import { describeAudio, describeVideo, measureRates } from "./rendition-facts.ts";

export class LiveWindowError extends CodedError<
  | { code: "WINDOW_SEQUENCE_JUMP"; sequence: number; head: number }
  | { code: "WINDOW_EPOCH_JUMP"; epoch: number; previous: number }
> {}

export interface LiveWindowOptions {
  readonly targetDurationS?: number;
  /** How much a playlist lists: enough for a slow judge and a reconnecting player. */
  readonly windowMs?: number;
  /** How long a segment outlives its place in the playlist: a player may hold a playlist for a while. */
  readonly graceMs?: number;
  /** `event`: nothing ever leaves. */
  readonly type?: "live" | "event";
}

export interface WindowChange {
  /** False for a segment already there, or one whose place was already passed. */
  readonly added: boolean;
  /** Sequences that left, of every rung: their bytes can go. */
  readonly evicted: readonly number[];
}

/** A master is held back for a family that is late by at most this many segments. */
const LATE_SEGMENTS = 3;
/** Work per playlist grows with sequences and epochs listed: an origin that jumps further is broken or hostile. */
const LONGEST_JUMP = 1_000;
const MAX_LISTED = 1_000;

/** What an edge serves of a live stream: rungs, their configurations and segments, and the playlists over them. */
export class LiveWindow {
  readonly #options: Required<LiveWindowOptions>;
  #renditions: readonly RenditionInfo[] = [];
  readonly #configs = new Map<number, Map<number, TrackConfig>>();
  readonly #segments = new Map<number, Map<number, LiveSegment>>();
  readonly #last = new Map<number, number>();
  #firstListed = 0;
  #firstEver: number | undefined;
  #head = -1;
  #epoch: number | undefined;
  #ended = false;
  #revision = 0;
  readonly #periods = new MpdPeriods();
  readonly #listeners = new Set<() => void>();

  constructor(options: LiveWindowOptions = {}) {
    const { targetDurationS = TARGET_DURATION_S, windowMs = 60_000, graceMs = 16_000, type = "live" } = options;
    this.#options = { targetDurationS, windowMs, graceMs, type };
  }

  /** Rises with every change that a playlist could show: caches go by it. */
  get revision(): number {
    return this.#revision;
  }

  get renditions(): readonly RenditionInfo[] {
    return this.#renditions;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The newest sequence of any rung, -1 before the first. */
  get head(): number {
    return this.#head;
  }

  describe(renditions: readonly RenditionInfo[]): void {
    this.#renditions = renditions;
    this.#change();
  }

  setConfig(rung: number, version: number, config: TrackConfig): void {
    mapOf(this.#configs, rung).set(version, config);
    this.#change();
  }

  /** A closed segment. Segments of a rung come in order; what is skipped becomes a gap for good. */
  add(segment: LiveSegment): WindowChange {
    if (segment.sequence <= (this.#last.get(segment.rung) ?? -1)) return { added: false, evicted: [] };
    if (this.#head >= 0 && Math.abs(segment.sequence - this.#head) > LONGEST_JUMP) {
      throw new LiveWindowError({ code: "WINDOW_SEQUENCE_JUMP", sequence: segment.sequence, head: this.#head });
    }
    if (this.#epoch !== undefined && Math.abs(segment.epoch - this.#epoch) > LONGEST_JUMP) {
      throw new LiveWindowError({ code: "WINDOW_EPOCH_JUMP", epoch: segment.epoch, previous: this.#epoch });
    }
    this.#epoch = segment.epoch;
    mapOf(this.#segments, segment.rung).set(segment.sequence, segment);
    this.#last.set(segment.rung, segment.sequence);
    this.#firstEver = Math.min(this.#firstEver ?? segment.sequence, segment.sequence);
    this.#head = Math.max(this.#head, segment.sequence);
    const evicted = this.#evict();
    this.#change();
    return { added: true, evicted };
  }

  end(): void {
    this.#ended = true;
    this.#change();
  }

  rendition(name: string): RenditionInfo | undefined {
    return this.#renditions.find((item) => item.name === name);
  }

  config(name: string, version: number): TrackConfig | undefined {
    const rung = this.rendition(name)?.rung;
    return rung === undefined ? undefined : this.#configs.get(rung)?.get(version);
  }

  segment(name: string, sequence: number): LiveSegment | undefined {
    const rung = this.rendition(name)?.rung;
    return rung === undefined ? undefined : this.#segments.get(rung)?.get(sequence);
  }

  /** All segments still held, by rung. */
  held(rung: number): readonly LiveSegment[] {
    return [...(this.#segments.get(rung)?.values() ?? [])];
  }

  /** Undefined until every rung of every family (or of the one asked for) has a segment, or is clearly late. */
  master(family?: Family): string | undefined {
    const playable = this.#playable(family);
    if (playable === undefined) return undefined;
    const audios = playable.filter((info) => info.kind === "audio");
    return writeMasterPlaylist(
      playable
        .filter((info) => info.kind === "video")
        .map((info) => {
          const audio = audios.find((item) => item.codec === audioCodecOf(info.family!))?.name;
          return describeVideo(info, this.#latestConfig(info.rung)!, this.held(info.rung), audio);
        }),
      audios.map((info) => describeAudio(info, this.#latestConfig(info.rung)!, this.held(info.rung))),
    );
  }

  /** The same for DASH. */
  mpd(): string | undefined {
    const playable = this.#playable();
    if (playable === undefined) return undefined;
    const { targetDurationS, windowMs } = this.#options;
    const sources = playable.map((info) => ({
      info,
      configs: this.#configs.get(info.rung)!,
      rates: measureRates(info, this.#latestConfig(info.rung)!.timescale, this.held(info.rung)),
      segments: this.held(info.rung).filter(({ sequence }) => sequence >= this.#firstListed),
    }));
    const periods = this.#periods.arrange(sources);
    const { zeroMs } = this.#periods;
    return writeMpd({ periods, zeroMs, windowMs, targetDurationS, ended: this.#ended });
  }

  /** The segment that starts there, as DASH names it. */
  segmentAt(name: string, epoch: number, startTicks: number): LiveSegment | undefined {
    const rung = this.rendition(name)?.rung;
    const held = rung === undefined ? [] : this.held(rung);
    return held.find((segment) => segment.epoch === epoch && startOf(segment) === startTicks);
  }

  /** Undefined until the rung has a segment. `skip`: a delta update, where one is worth it. */
  playlist(name: string, { skip = false } = {}): string | undefined {
    const rung = this.rendition(name)?.rung;
    const segments = rung === undefined ? [] : this.#listed(rung);
    if (segments.length === 0) return undefined;
    const { targetDurationS, type } = this.#options;
    const others = this.#ended ? [] : this.#renditions.filter((info) => info.name !== name);
    const reports = others.flatMap(({ name: other, rung: at }) => {
      const lastSequence = this.#last.get(at);
      return lastSequence === undefined ? [] : [{ name: other, lastSequence }];
    });
    return writeMediaPlaylist({ segments, targetDurationS, type, ended: this.#ended, reports, skip });
  }

  /** The key frames that segments of a video rung begin with. Undefined until there is one. */
  iframes(name: string): string | undefined {
    const info = this.rendition(name);
    const segments = info?.kind === "video" ? this.#listed(info.rung) : [];
    if (segments.every(({ headSizeBytes }) => headSizeBytes === undefined)) return undefined;
    const { targetDurationS, type } = this.#options;
    return writeIframePlaylist({ segments, targetDurationS, type, ended: this.#ended });
  }

  /** The newest sequence of a rendition; -1 before its first. */
  headOf(name: string): number {
    const rung = this.rendition(name)?.rung;
    return (rung === undefined ? undefined : this.#last.get(rung)) ?? -1;
  }

  /** Calls `listener` after every change, until what it gives back is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #change(): void {
    this.#revision += 1;
    for (const listener of [...this.#listeners]) listener();
  }

  #playable(family?: Family): RenditionInfo[] | undefined {
    const isLate = this.#firstEver !== undefined && this.#head - this.#firstEver >= LATE_SEGMENTS;
    return findPlayable(this.#renditions, (info) => this.#isPlayable(info), { family, isLate });
  }

  #isPlayable(info: RenditionInfo): boolean {
    return this.#latestConfig(info.rung) !== undefined && this.#listed(info.rung).length > 0;
  }

  #listed(rung: number): PlaylistSegment[] {
    const held = this.#segments.get(rung);
    const last = this.#last.get(rung);
    if (held === undefined || last === undefined) return [];
    const { timescale } = this.#latestConfig(rung) ?? { timescale: 0 };
    const first = [...held.keys()].find((sequence) => sequence >= this.#firstListed);
    if (first === undefined || timescale === 0) return [];
    const listed: PlaylistSegment[] = [];
    let previous = held.get(first)!;
    for (let sequence = first; sequence <= last; sequence += 1) {
      const segment = held.get(sequence);
      const stand = segment ?? this.#elsewhere(sequence) ?? { ...previous, durationTicks: 0 };
      const seconds = stand.durationTicks / (this.#latestConfig(stand.rung)?.timescale ?? timescale);
      listed.push({
        sequence,
        epoch: Math.max(stand.epoch, previous.epoch),
        configVersion: segment?.configVersion ?? previous.configVersion,
        durationS: seconds === 0 ? this.#options.targetDurationS : seconds,
        wallClockMs: stand.wallClockMs,
        gap: segment === undefined,
        headSizeBytes: segment === undefined ? undefined : keyFrameSize(segment),
      });
      previous = segment ?? previous;
    }
    return listed;
  }

  /** The same segment of another rung: its times hold for all. */
  #elsewhere(sequence: number): LiveSegment | undefined {
    for (const segments of this.#segments.values()) {
      const found = segments.get(sequence);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #latestConfig(rung: number): TrackConfig | undefined {
    return [...(this.#configs.get(rung)?.values() ?? [])].at(-1);
  }

  #evict(): number[] {
    if (this.#options.type === "event") return [];
    let listedMs = 0;
    let keptMs = 0;
    let listed = 0;
    const sequences = new Set([...this.#segments.values()].flatMap((segments) => [...segments.keys()]));
    const evicted: number[] = [];
    for (const sequence of [...sequences].sort((left, right) => right - left)) {
      const segment = this.#elsewhere(sequence)!;
      const timescale = this.#latestConfig(segment.rung)?.timescale ?? 1;
      if (listedMs < this.#options.windowMs && listed < MAX_LISTED) this.#firstListed = sequence;
      else if (keptMs >= this.#options.graceMs || listed >= MAX_LISTED) evicted.push(sequence);
      const isListed = sequence >= this.#firstListed;
      if (isListed) listed += 1;
      if (isListed) listedMs += (segment.durationTicks / timescale) * 1000;
      else keptMs += (segment.durationTicks / timescale) * 1000;
    }
    for (const sequence of evicted) for (const segments of this.#segments.values()) segments.delete(sequence);
    if (evicted.length > 0) this.#forgetConfigs();
    return evicted.sort((left, right) => left - right);
  }

  #forgetConfigs(): void {
    for (const [rung, configs] of this.#configs) {
      const used = new Set(this.held(rung).map((segment) => segment.configVersion));
      const newest = [...configs.keys()].at(-1);
      for (const version of configs.keys()) if (!used.has(version) && version !== newest) configs.delete(version);
    }
  }
}

function mapOf<T>(maps: Map<number, Map<number, T>>, rung: number): Map<number, T> {
  const found = maps.get(rung) ?? new Map<number, T>();
  maps.set(rung, found);
  return found;
}
