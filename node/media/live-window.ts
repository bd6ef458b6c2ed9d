import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Cue } from "@leat/sdk/protocol/cue.ts";
import type { TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { audioCodecOf, type Family, type RenditionInfo, SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import { TARGET_DURATION_S } from "./boundaries.ts";
import { CueList } from "./cue-list.ts";
import { type LivePart, type LiveSegment, type OpenSegment, type SegmentPlace, startOf } from "./live-segment.ts";
import { writeMpd } from "./mpd.ts";
import { MpdPeriods } from "./mpd-periods.ts";
import { findOffered, findPlayable } from "./playable.ts";
import { type PlaylistSegment, writeIframePlaylist, writeMasterPlaylist, writeMediaPlaylist } from "./playlist.ts";
import { describeAudio, describeVideo, measureRates } from "./rendition-facts.ts";
import { findElsewhere, type ListedWindow, listSegments } from "./window-listing.ts";
import { WindowParts } from "./window-parts.ts";

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
  readonly #listing: ListedWindow;
  readonly #parts: WindowParts;
  #firstListed = 0;
  #firstEver: number | undefined;
  #head = -1;
  #epoch: number | undefined;
  #ended = false;
  #revision = 0;
  readonly #revisions = new Map<number, number>();
  readonly #periods = new MpdPeriods();
  readonly #cues = new CueList();
  /** By rung: the first segment that manifests name captions of. */
  readonly #captionsFrom = new Map<number, number>();
  /** The newest segment that a manifest of DASH ever named. */
  #listedTo = -1;
  readonly #listeners = new Set<() => void>();

  constructor(options: LiveWindowOptions = {}) {
    const { targetDurationS = TARGET_DURATION_S, windowMs = 60_000, graceMs = 16_000, type = "live" } = options;
    this.#options = { targetDurationS, windowMs, graceMs, type };
    const timescaleOf = (rung: number) => this.#latestConfig(rung)?.timescale;
    const firstListed = () => this.#firstListed;
    const lastOf = (rung: number) => this.#last.get(rung);
    this.#listing = { segments: this.#segments, firstListed, lastOf, targetDurationS, timescaleOf };
    this.#parts = new WindowParts(this.#listing);
  }

  /** Rises with every change but parts that go on with a segment: caches of what shows none go by it. */
  get revision(): number {
    return this.#revision;
  }

  /** Rises with every change that the rendition's own playlist must show: a part of it, or what concerns all. */
  revisionOf(name: string): number {
    return this.#revisions.get(this.rendition(name)?.rung ?? -1) ?? 0;
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

  describe(renditions: readonly RenditionInfo[], partTargetMs: number = this.#parts.targetMs): void {
    this.#renditions = renditions;
    this.#parts.targetMs = partTargetMs;
    this.#changeRungs();
    this.#change();
  }

  /** Cues of the stream, those too that are known. */
  noteCues(cues: readonly Cue[]): void {
    if (!this.#cues.note(cues)) return;
    this.#changeRungs();
    this.#change();
  }

  /**
   * A picture of the segment had captions. What players were told of as it was never changes: they are named from there
   * on.
   */
  noteCaptions(rung: number, sequence: number): void {
    if (this.hasCaptions(rung)) return;
    this.#captionsFrom.set(rung, Math.max(sequence, this.#listedTo + 1));
    this.#change();
  }

  hasCaptions(rung: number): boolean {
    return this.#captionsFrom.has(rung);
  }

  setConfig(rung: number, version: number, config: TrackConfig): void {
    mapOf(this.#configs, rung).set(version, config);
    this.#changeRung(rung);
    this.#change();
  }

  /** The next part of a segment that is not whole yet. */
  addPart(place: SegmentPlace, part: LivePart): void {
    this.#checkJump(place);
    const { rung, sequence } = place;
    if (sequence <= (this.#last.get(rung) ?? -1)) return;
    const begins = this.#parts.add(place, part);
    this.#changeRung(rung);
    if (begins) this.#change();
    else this.#tell();
  }

  /** A closed segment. Segments of a rung come in order; what is skipped becomes a gap for good. */
  add(segment: LiveSegment): WindowChange {
    if (segment.sequence <= (this.#last.get(segment.rung) ?? -1)) return { added: false, evicted: [] };
    this.#checkJump(segment);
    this.#epoch = segment.epoch;
    mapOf(this.#segments, segment.rung).set(segment.sequence, segment);
    this.#last.set(segment.rung, segment.sequence);
    this.#firstEver = Math.min(this.#firstEver ?? segment.sequence, segment.sequence);
    this.#head = Math.max(this.#head, segment.sequence);
    const { isOn } = this.#parts;
    this.#parts.close(segment);
    if (this.#parts.isOn !== isOn) this.#changeRungs();
    if (segment.rung !== SOURCE_RUNG) this.#skipSource(segment.sequence - 1);
    const firstListed = this.#firstListed;
    const evicted = this.#evict();
    // The window moves for all rungs, one that stands still too: its playlist must not name what is gone.
    if (this.#firstListed !== firstListed || evicted.length > 0) this.#changeRungs();
    else this.#changeRung(segment.rung);
    this.#change();
    return { added: true, evicted };
  }

  /**
   * The source is ahead of all that is made of it: what it has not when another rung is whole beyond it, it lacks for
   * good. It may be left out for long, and a playlist that stands still would hold its players.
   */
  #skipSource(sequence: number): void {
    const last = this.#last.get(SOURCE_RUNG);
    if (last === undefined || last >= sequence) return;
    this.#last.set(SOURCE_RUNG, sequence);
    this.#changeRung(SOURCE_RUNG);
  }

  end(): void {
    this.#ended = true;
    this.#parts.clear();
    this.#changeRungs();
    this.#change();
  }

  rendition(name: string): RenditionInfo | undefined {
    return this.#renditions.find((item) => item.name === name);
  }

  config(name: string, version: number): TrackConfig | undefined {
    const rung = this.rendition(name)?.rung;
    return rung === undefined ? undefined : this.#configs.get(rung)?.get(version);
  }

  timescaleOf(name: string): number | undefined {
    return this.#latestConfig(this.rendition(name)?.rung ?? -1)?.timescale;
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
      open: this.#parts.isOn ? this.#openOf(info.rung) : undefined,
      captionsFrom: this.#captionsFrom.get(info.rung),
    }));
    for (const { segments, open } of sources)
      this.#listedTo = Math.max(this.#listedTo, open?.sequence ?? -1, segments.at(-1)?.sequence ?? -1);
    const periods = this.#periods.arrange(sources);
    const { zeroMs } = this.#periods;
    const ranges = this.#cues.list(zeroMs + (periods[0]?.startMs ?? 0));
    const partTargetMs = this.#parts.isOn ? this.#parts.targetMs : undefined;
    return writeMpd({ periods, zeroMs, windowMs, targetDurationS, ended: this.#ended, ranges, partTargetMs });
  }

  /** The segment that starts there, as DASH names it. */
  segmentAt(name: string, epoch: number, startTicks: number): LiveSegment | undefined {
    const rung = this.rendition(name)?.rung;
    const held = rung === undefined ? [] : this.held(rung);
    return held.find((segment) => segment.epoch === epoch && startOf(segment) === startTicks);
  }

  /** The same of the segment that is being written. */
  openAt(name: string, epoch: number, startTicks: number): OpenSegment | undefined {
    const open = this.#openOf(this.rendition(name)?.rung ?? -1);
    return open?.epoch === epoch && startOf(open) === startTicks ? open : undefined;
  }

  /** Whether more parts of the segment may come. */
  isOpen(name: string, sequence: number): boolean {
    return this.#openOf(this.rendition(name)?.rung ?? -1)?.sequence === sequence;
  }

  /** A part, of a segment that is held or of the open one. */
  part(name: string, sequence: number, part: number): LivePart | undefined {
    return this.#parts.find(this.rendition(name)?.rung ?? -1, { sequence, part });
  }

  /** Whether it is the part that comes next, as playlists hint. */
  isNextPart(name: string, sequence: number, part: number): boolean {
    const rung = this.rendition(name)?.rung;
    if (rung === undefined || this.#ended || !this.#parts.isOn) return false;
    const next = this.#parts.next(rung, this.headOf(name));
    return next.sequence === sequence && next.part === part;
  }

  /** Whether a player that named a segment, or a part of it, has what it waits for. */
  hasReached(name: string, sequence: number, part: number | undefined): boolean {
    const head = this.headOf(name);
    const rung = this.rendition(name)?.rung ?? -1;
    if (part === undefined || !this.#parts.isOn)
      return sequence < head || (sequence === head && !this.#isListedOpen(rung));
    return this.#parts.hasReached(rung, head, { sequence, part });
  }

  /**
   * Lists the rung's newest segment as whole though nothing follows it, a while after it was first asked for: of a source
   * that has stopped, too, a player that knows no parts gets all. Whoever asks for a playlist calls it first.
   */
  settle(name: string, nowMs: number): void {
    const rung = this.rendition(name)?.rung ?? -1;
    if (!this.#parts.settle(rung, nowMs)) return;
    this.#changeRung(rung);
    this.#tell();
  }

  /** Undefined until the rung has a segment. `skip`: a delta update, where one is worth it. */
  playlist(name: string, { skip = false } = {}): string | undefined {
    const rung = this.rendition(name)?.rung;
    const partTargetMs = this.#parts.isOn ? this.#parts.targetMs : undefined;
    const segments = rung === undefined ? [] : listSegments(this.#listing, rung, partTargetMs);
    if (rung === undefined || segments.length === 0) return undefined;
    const { targetDurationS, type } = this.#options;
    const offered = this.#ended ? [] : findOffered(this.#renditions);
    const others = this.#renditions.filter((info) => info.name !== name && offered.includes(info));
    const reports = others.flatMap(({ name: other, rung: at }) => {
      const last = this.#last.get(at);
      return last === undefined ? [] : [this.#parts.reportOf(other, at, last)];
    });
    const newest = this.#isListedOpen(rung) ? segments.pop() : undefined;
    const tail = this.#parts.tailOf(rung, this.headOf(name), newest);
    const ranges = this.#cues.list(segments[0]!.wallClockMs);
    return writeMediaPlaylist({ segments, targetDurationS, type, ended: this.#ended, ranges, reports, skip, tail });
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
    this.#tell();
  }

  #changeRungs(): void {
    for (const { rung } of this.#renditions) this.#changeRung(rung);
  }

  #changeRung(rung: number): void {
    this.#revisions.set(rung, (this.#revisions.get(rung) ?? 0) + 1);
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #checkJump({ sequence, epoch }: SegmentPlace): void {
    if (this.#head >= 0 && Math.abs(sequence - this.#head) > LONGEST_JUMP) {
      throw new LiveWindowError({ code: "WINDOW_SEQUENCE_JUMP", sequence, head: this.#head });
    }
    if (this.#epoch !== undefined && Math.abs(epoch - this.#epoch) > LONGEST_JUMP) {
      throw new LiveWindowError({ code: "WINDOW_EPOCH_JUMP", epoch, previous: this.#epoch });
    }
  }

  #playable(family?: Family): RenditionInfo[] | undefined {
    const isLate = this.#firstEver !== undefined && this.#head - this.#firstEver >= LATE_SEGMENTS;
    const playable = findPlayable(this.#renditions, (info) => this.#isPlayable(info), { family, isLate });
    return playable?.filter(({ rung }) => rung !== SOURCE_RUNG || !this.#isSourceLeftOut(playable));
  }

  #isPlayable(info: RenditionInfo): boolean {
    return this.#latestConfig(info.rung) !== undefined && this.#listed(info.rung).length > 0;
  }

  /** Whether who begins now would get gaps by it, and has other pictures to choose. */
  #isSourceLeftOut(playable: readonly RenditionInfo[]): boolean {
    if (!playable.some(({ kind, rung }) => kind === "video" && rung !== SOURCE_RUNG)) return false;
    const newest = this.held(SOURCE_RUNG).at(-1)?.sequence ?? -1;
    return this.#openOf(SOURCE_RUNG) === undefined && this.#head - newest >= LATE_SEGMENTS;
  }

  /** One that the rung was found to lack is not waited for. */
  #openOf(rung: number): OpenSegment | undefined {
    const open = this.#parts.openOf(rung);
    return open !== undefined && open.sequence > (this.#last.get(rung) ?? -1) ? open : undefined;
  }

  /** A playlist has at least one whole segment. */
  #isListedOpen(rung: number): boolean {
    const last = this.#last.get(rung) ?? -1;
    if (!this.#parts.isListedOpen(rung, last)) return false;
    return this.held(rung).some(({ sequence }) => sequence >= this.#firstListed && sequence < last);
  }

  #listed(rung: number): PlaylistSegment[] {
    return listSegments(this.#listing, rung);
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
      const segment = findElsewhere({ segments: this.#segments }, sequence)!;
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
