import type { LivePart, LiveSegment, OpenSegment, SegmentPlace } from "./live-segment.ts";
import { allFit, LowLatencyRule } from "./low-latency.ts";
import { PART_TARGET_MS, partTargetTicks } from "./packager.ts";
import type { PlaylistSegment, PlaylistTail, RenditionReport } from "./playlist.ts";
import { type ListedWindow, listOpen } from "./window-listing.ts";

/** A segment that nothing follows is listed as if it were open for so long. */
const LISTED_OPEN_MS = 1_000;

/** The place of a part in its rung. */
export interface PartPlace {
  readonly sequence: number;
  readonly part: number;
}

/** What of a window is ahead of its whole segments: their parts, and whether those are served at all. */
export class WindowParts {
  readonly #window: ListedWindow;
  readonly #open = new Map<number, OpenSegment>();
  /** By rung: the segment that is whole and listed as if it were open, and since when it is asked for. */
  readonly #listedOpen = new Map<number, { readonly sequence: number; askedMs?: number }>();
  readonly #rule = new LowLatencyRule();
  #targetMs = PART_TARGET_MS;

  constructor(window: ListedWindow) {
    this.#window = window;
  }

  get isOn(): boolean {
    return this.#rule.isOn;
  }

  get targetMs(): number {
    return this.#targetMs;
  }

  set targetMs(targetMs: number) {
    this.#targetMs = targetMs;
  }

  /** Answers whether the part begins a segment. */
  add(place: SegmentPlace, part: LivePart): boolean {
    const open = this.#open.get(place.rung);
    const before = open?.sequence === place.sequence ? open.parts : [];
    this.#listedOpen.delete(place.rung);
    this.#open.set(place.rung, { ...place, parts: [...before, part] });
    return before.length === 0;
  }

  /** The segment that is being written. */
  openOf(rung: number): OpenSegment | undefined {
    return this.#open.get(rung);
  }

  /** The segment is whole now. */
  close({ rung, sequence, parts }: LiveSegment): void {
    const open = this.#open.get(rung);
    this.#open.delete(rung);
    // One that came whole, or without another part, was in nobody's hands when its last part came.
    const known = open?.sequence === sequence ? listOpen(this.#window, open, this.#targetMs).length : 0;
    if (known > 0 && parts.length > known) this.#listedOpen.set(rung, { sequence });
    else this.#listedOpen.delete(rung);
    const timescale = this.#window.timescaleOf(rung);
    const isWhole = timescale !== undefined && parts.length > 0;
    const ticks = partTargetTicks(timescale ?? 1, this.#targetMs);
    this.#rule.closed(rung, isWhole && allFit(parts, ticks));
  }

  clear(): void {
    this.#open.clear();
    this.#listedOpen.clear();
  }

  find(rung: number, { sequence, part }: PartPlace): LivePart | undefined {
    const open = this.#open.get(rung);
    return (open?.sequence === sequence ? open : this.#segmentOf(rung, sequence))?.parts[part];
  }

  /** What comes after all that is there. */
  next(rung: number, last: number): PartPlace {
    const open = this.#open.get(rung);
    return open === undefined ? { sequence: last + 1, part: 0 } : { sequence: open.sequence, part: open.parts.length };
  }

  hasReached(rung: number, last: number, { sequence, part }: PartPlace): boolean {
    if (sequence < last) return true;
    const open = this.#open.get(rung);
    const listed = open === undefined ? 0 : listOpen(this.#window, open, this.#targetMs).length;
    // One that is beyond a segment's last part is the next segment's first.
    if (sequence === last) return part < (this.#segmentOf(rung, last)?.parts.length ?? 0) || listed > 0;
    return open?.sequence === sequence && part < listed;
  }

  /**
   * Whether the rung's newest segment, which is whole, is listed as if it were open. A player may learn that a segment is
   * whole only once it had time to take the last part: hls.js (1.7) that learns both at once while it appends the part
   * before takes the segment for buffered, and stands until its parts leave the list.
   */
  isListedOpen(rung: number, last: number): boolean {
    return this.isOn && this.#listedOpen.get(rung)?.sequence === last;
  }

  /** Somebody asks for the rung's playlist. True: what was listed as if it were open is whole from now on. */
  settle(rung: number, nowMs: number): boolean {
    const listedOpen = this.#listedOpen.get(rung);
    if (listedOpen === undefined) return false;
    listedOpen.askedMs ??= nowMs;
    return nowMs - listedOpen.askedMs >= LISTED_OPEN_MS && this.#listedOpen.delete(rung);
  }

  /** `newest`: the segment that is listed as if it were open, where one is. */
  tailOf(rung: number, last: number, newest?: PlaylistSegment): PlaylistTail | undefined {
    if (!this.isOn) return undefined;
    const partTargetS = this.#targetMs / 1000;
    if (newest !== undefined) return { partTargetS, open: newest, hint: this.next(rung, last) };
    const open = this.#open.get(rung);
    const parts = open === undefined ? [] : listOpen(this.#window, open, this.#targetMs);
    // What cannot be listed cannot be hinted either.
    const isListed = parts.length === (open?.parts.length ?? 0);
    return {
      partTargetS,
      open: open === undefined || parts.length === 0 ? undefined : { ...open, parts },
      hint: isListed ? this.next(rung, last) : undefined,
    };
  }

  reportOf(name: string, rung: number, last: number): RenditionReport {
    if (!this.isOn) return { name, lastSequence: last };
    const { sequence, part } = this.next(rung, last);
    if (part > 0) return { name, lastSequence: sequence, lastPart: part - 1 };
    return { name, lastSequence: last, lastPart: (this.#segmentOf(rung, last)?.parts.length ?? 1) - 1 };
  }

  #segmentOf(rung: number, sequence: number): LiveSegment | undefined {
    return this.#window.segments.get(rung)?.get(sequence);
  }
}
