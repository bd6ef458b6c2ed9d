import { keyFrameSize, type LivePart, type LiveSegment, type OpenSegment } from "./live-segment.ts";
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

/** Parts are listed this many target durations back from the end; older ones a player fetches as whole segments. */
const PARTS_LISTED_TARGETS = 3;

/** The closed segments of a rung that are listed, oldest first, with gaps where it lacks one; parts where they are served. */
export function listSegments(window: ListedWindow, rung: number, partTargetMs?: number): PlaylistSegment[] {
  const held = window.segments.get(rung);
  const timescale = window.timescaleOf(rung);
  const last = window.lastOf(rung);
  const first = held === undefined ? undefined : [...held.keys()].find((sequence) => sequence >= window.firstListed());
  if (held === undefined || first === undefined || last === undefined || timescale === undefined) return [];
  const listed: PlaylistSegment[] = [];
  const stands: LiveSegment[] = [];
  let previous = held.get(first)!;
  for (let sequence = first; sequence <= last; sequence += 1) {
    const segment = held.get(sequence);
    const stand = segment ?? findElsewhere(window, sequence) ?? { ...previous, durationTicks: 0, parts: [] };
    const ownScale = window.timescaleOf(stand.rung) ?? timescale;
    const seconds = stand.durationTicks / ownScale;
    listed.push({
      sequence,
      epoch: Math.max(stand.epoch, previous.epoch),
      configVersion: segment?.configVersion ?? previous.configVersion,
      durationS: seconds === 0 ? window.targetDurationS : seconds,
      wallClockMs: stand.wallClockMs,
      gap: segment === undefined,
      headSizeBytes: segment === undefined ? undefined : keyFrameSize(segment),
      parts: [],
    });
    stands.push(stand);
    previous = segment ?? previous;
  }
  if (partTargetMs === undefined) return listed;
  return withNewParts(listed, window.targetDurationS, (at, gap) => {
    const stand = stands[at]!;
    return toParts(stand.parts, window.timescaleOf(stand.rung) ?? timescale, partTargetMs, true, gap);
  });
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
  partsOf: (at: number, gap: boolean) => PlaylistPart[],
): PlaylistSegment[] {
  let behindS = 0;
  for (let at = segments.length - 1; at >= 0 && behindS < PARTS_LISTED_TARGETS * targetDurationS; at -= 1) {
    const segment = segments[at]!;
    segments[at] = { ...segment, parts: partsOf(at, segment.gap) };
    behindS += segment.durationS;
  }
  return segments;
}
