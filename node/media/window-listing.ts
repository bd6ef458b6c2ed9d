import { keyFrameSize, type LivePart, type LiveSegment, type OpenSegment, startOf } from "./live-segment.ts";
import { listableParts } from "./low-latency.ts";
import { partTargetTicks } from "./packager.ts";
import type { PlaylistPart, PlaylistSegment } from "./playlist.ts";

/** What of a window its playlists are made from. */
export interface ListedWindow {
  readonly segments: ReadonlyMap<number, ReadonlyMap<number, LiveSegment>>;
  /** Oldest sequence that is listed. */
  firstListed(): number;
  /** Newest sequence that the rung has, or lacks for good. */
  lastOf(rung: number): number | undefined;
  readonly targetDurationS: number;
  timescaleOf(rung: number): number | undefined;
}

/** When a listed segment shows, seconds of its epoch, and since when it is there. */
interface Place {
  readonly epoch: number;
  readonly startS: number;
  readonly durationS: number;
  readonly wallClockMs: number;
}

/** No segment lasts no time. */
const SHORTEST_S = 0.001;
/** By so little the segments of two rungs differ, as frames of sound do not end with pictures. */
const STRETCHED_S = 0.02;
/**
 * Parts are listed this many target durations back from the end; older ones a player fetches as whole segments. Three are
 * the most; some players (hls.js) take parts one after the other wherever they are listed, and one that fell behind over
 * a bad way, where each takes about as long as it lasts, would never come to have anything in hand.
 */
const PARTS_LISTED_TARGETS = 1;

/** The closed segments of a rung that are listed, oldest first, with gaps where it lacks one; parts where they are served. */
export function listSegments(window: ListedWindow, rung: number, partTargetMs?: number): PlaylistSegment[] {
  const held = window.segments.get(rung);
  const { targetDurationS } = window;
  const timescale = window.timescaleOf(rung);
  const last = window.lastOf(rung);
  const first = held === undefined ? undefined : [...held.keys()].find((sequence) => sequence >= window.firstListed());
  if (held === undefined || first === undefined || last === undefined || timescale === undefined) return [];
  const scaleOf = (segment: LiveSegment) => window.timescaleOf(segment.rung) ?? timescale;
  const listed: PlaylistSegment[] = [];
  const stands: (LiveSegment | undefined)[] = [];
  let own = held.get(first)!;
  let place = placeOf(own, timescale);
  let ahead: LiveSegment | undefined;
  for (let sequence = first; sequence <= last; sequence += 1) {
    const segment = held.get(sequence);
    if (segment !== undefined) {
      own = segment;
      place = placeOf(segment, timescale);
    } else {
      if (ahead === undefined || ahead.sequence < sequence) ahead = findNext(window, held, sequence, last);
      const stand = ahead && { sequence: ahead.sequence, ...placeOf(ahead, scaleOf(ahead)) };
      const after = held.get(sequence + 1);
      place = placeGap({ sequence, before: place, stand, after: after && placeOf(after, timescale), targetDurationS });
    }
    const { epoch, wallClockMs, durationS } = place;
    const headSizeBytes = segment === undefined ? undefined : keyFrameSize(segment);
    const { configVersion } = own;
    const gap = segment === undefined;
    listed.push({ sequence, epoch, configVersion, durationS, wallClockMs, gap, headSizeBytes, parts: [] });
    stands.push(segment ?? (ahead?.sequence === sequence ? ahead : undefined));
  }
  if (partTargetMs === undefined) return listed;
  return withNewParts(listed, targetDurationS, (at, { gap, durationS }) => {
    const stand = stands[at];
    if (stand === undefined) return [];
    const isStretched = gap && Math.abs(durationS - stand.durationTicks / scaleOf(stand)) > STRETCHED_S;
    return isStretched ? [] : toParts(stand.parts, scaleOf(stand), partTargetMs, true, gap);
  });
}

function placeOf(segment: LiveSegment, timescale: number): Place {
  const { epoch, wallClockMs, durationTicks } = segment;
  return { epoch, wallClockMs, startS: startOf(segment) / timescale, durationS: durationTicks / timescale };
}

/**
 * Of a segment that the rung lacks: as long as that of another rung, or as what is between, shared with its neighbours
 * that all rungs lack. What follows must stand in the playlist where it stands in time, or players look for it elsewhere.
 */
function placeGap(gap: {
  readonly sequence: number;
  readonly before: Place;
  /** The next that any rung has, from this one on. */
  readonly stand: (Place & { readonly sequence: number }) | undefined;
  /** The next one of the rung itself. */
  readonly after: Place | undefined;
  readonly targetDurationS: number;
}): Place {
  const { sequence, before, stand, after, targetDurationS } = gap;
  const bounded = (durationS: number) => Math.min(Math.max(durationS, SHORTEST_S), targetDurationS);
  const startS = before.startS + before.durationS;
  const wallClockMs = Math.round(before.wallClockMs + before.durationS * 1_000);
  const { epoch } = before;
  if (stand === undefined) return { epoch, startS, durationS: targetDurationS, wallClockMs };
  const steps = stand.sequence - sequence;
  if (steps > 0) {
    const isSame = stand.epoch === epoch;
    const betweenS = isSame ? stand.startS - startS : (stand.wallClockMs - wallClockMs) / 1_000;
    return { epoch, startS, durationS: bounded(betweenS / steps), wallClockMs };
  }
  if (stand.epoch !== epoch) return { ...stand, durationS: bounded(stand.durationS) };
  const endS = after?.epoch === epoch ? after.startS : stand.startS + stand.durationS;
  return { epoch, startS, durationS: bounded(endS - startS), wallClockMs: stand.wallClockMs };
}

/** The next segment that any rung has, the rung itself first. */
function findNext(
  window: ListedWindow,
  held: ReadonlyMap<number, LiveSegment>,
  from: number,
  last: number,
): LiveSegment | undefined {
  for (let sequence = from; sequence <= last; sequence += 1) {
    const found = held.get(sequence) ?? findElsewhere(window, sequence);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What of a segment that is not whole yet may be listed. */
export function listOpen(window: ListedWindow, open: OpenSegment, partTargetMs: number): PlaylistPart[] {
  const timescale = window.timescaleOf(open.rung);
  return timescale === undefined ? [] : toParts(open.parts, timescale, partTargetMs, false, false);
}

/** The same segment of another rung: its times hold for all. */
export function findElsewhere({ segments }: Pick<ListedWindow, "segments">, sequence: number): LiveSegment | undefined {
  for (const held of segments.values()) {
    const found = held.get(sequence);
    if (found !== undefined) return found;
  }
  return undefined;
}

function toParts(
  parts: readonly LivePart[],
  timescale: number,
  partTargetMs: number,
  isWhole: boolean,
  gap: boolean,
): PlaylistPart[] {
  const listed = listableParts(parts, partTargetTicks(timescale, partTargetMs), isWhole);
  return listed.map(({ durationTicks, independent }) => ({ durationS: durationTicks / timescale, independent, gap }));
}

/** Older segments have theirs no more, and most are older: none is asked for theirs. */
function withNewParts(
  segments: PlaylistSegment[],
  targetDurationS: number,
  partsOf: (at: number, segment: PlaylistSegment) => PlaylistPart[],
): PlaylistSegment[] {
  let behindS = 0;
  for (let at = segments.length - 1; at >= 0 && behindS < PARTS_LISTED_TARGETS * targetDurationS; at -= 1) {
    const segment = segments[at]!;
    segments[at] = { ...segment, parts: partsOf(at, segment) };
    behindS += segment.durationS;
  }
  return segments;
}
