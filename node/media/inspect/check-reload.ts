import { inspectMedia } from "./check-media.ts";
import { readLines } from "./lines.ts";
import type { ListedPart, ListedSegment, ReadMedia } from "./media-playlist.ts";
import { type Finding, Findings } from "./rules.ts";

/** Checks a media playlist against what the same address gave before. A delta update is held against the whole one. */
export function checkReload(before: string, after: string): Finding[] {
  const earlier = inspectMedia(readLines(before, new Findings()), new Findings());
  const findings = new Findings();
  const later = inspectMedia(readLines(after, findings), findings);
  compare(earlier, later, findings);
  return findings.list;
}

/** A delta update must give, with what the player holds, the playlist that it stands for. */
export function checkDelta(held: string, delta: string, whole: string): Finding[] {
  const findings = new Findings();
  const quiet = new Findings();
  const [old, full] = [held, whole].map((text) => inspectMedia(readLines(text, quiet), quiet)) as [
    ReadMedia,
    ReadMedia,
  ];
  const part = inspectMedia(readLines(delta, findings), findings);
  const last = part.mediaSequence + part.skipped;
  const kept = old.segments.filter(({ sequence }) => sequence >= part.mediaSequence && sequence < last);
  const places = (segments: readonly ListedSegment[], before: number) =>
    segments.map((segment) => `${describeSegment(segment)} ${before + segment.discontinuities}`);
  const known = places(kept, old.discontinuitySequence);
  // A player counts on from the last that it held.
  const passed =
    part.skipped > 0 ? (kept.at(-1)?.discontinuities ?? 0) + old.discontinuitySequence : part.discontinuitySequence;
  const made = [...known, ...places(part.segments, passed)].join("\n");
  if (part.skipped > 0 && kept.length < part.skipped) {
    findings.add("delta-differs", undefined, `${kept.length} of ${part.skipped} skipped segments were held`);
  } else if (made !== places(full.segments, full.discontinuitySequence).join("\n")) {
    findings.add("delta-differs", undefined, "other segments or discontinuities than in the whole playlist");
  }
  return findings.list;
}

/** Without the map: a delta update need not repeat one that stands before it. */
function describeSegment({ sequence, uri, durationS, gap, parts }: ListedSegment): string {
  return [sequence, uri, durationS, gap, ...parts.map((part) => part.uri)].join(" ");
}

function compare(before: ReadMedia, after: ReadMedia, findings: Findings): void {
  if (before.targetDurationS !== after.targetDurationS) {
    findings.add("target-duration-changed", undefined, `${before.targetDurationS} to ${after.targetDurationS}`);
  }
  if (before.partTargetS !== undefined && after.partTargetS !== undefined && before.partTargetS !== after.partTargetS) {
    findings.add("part-target-changed", undefined, `${before.partTargetS} to ${after.partTargetS}`);
  }
  if (before.ended) {
    if (describeAll(before) !== describeAll(after)) findings.add("changed-after-end", undefined, "another playlist");
    return;
  }
  if (after.mediaSequence < before.mediaSequence) {
    findings.add("media-sequence-backward", undefined, `${before.mediaSequence} to ${after.mediaSequence}`);
    return;
  }
  compareSegments(before, after, findings);
  compareDiscontinuities(before, after, findings);
  compareOpen(before, after, findings);
}

function describeAll({ segments, ended, openParts }: ReadMedia): string {
  return `${segments.map(describeSegment).join("\n")} ${ended} ${openParts.length}`;
}

function compareSegments(before: ReadMedia, after: ReadMedia, findings: Findings): void {
  const known = new Map(before.segments.map((segment) => [segment.sequence, segment]));
  for (const segment of after.segments) {
    const old = known.get(segment.sequence);
    if (old !== undefined && !isSame(old, segment, after.skipped > 0)) {
      findings.add(
        "segment-changed",
        segment.line,
        `${old.uri} ${old.durationS} to ${segment.uri} ${segment.durationS}`,
      );
    }
    for (const [index, part] of segment.parts.entries()) comparePart(old?.parts[index], part, findings);
  }
  const isFixed = before.type !== undefined;
  if (isFixed && after.mediaSequence > before.mediaSequence) {
    findings.add("segment-dropped", undefined, `first ${before.mediaSequence} to ${after.mediaSequence}`);
  }
  const [last, newest] = [lastOf(before), lastOf(after)];
  if (newest < last) findings.add("segment-dropped", undefined, `last ${last} to ${newest}`);
}

function lastOf({ mediaSequence, skipped, segments }: ReadMedia): number {
  return mediaSequence + skipped + segments.length - 1;
}

function isSame(old: ListedSegment, next: ListedSegment, isDelta: boolean): boolean {
  const isMapped = isDelta || JSON.stringify(old.map) === JSON.stringify(next.map);
  return (
    isMapped &&
    old.uri === next.uri &&
    old.durationS === next.durationS &&
    JSON.stringify(old.range) === JSON.stringify(next.range)
  );
}

function comparePart(old: ListedPart | undefined, part: ListedPart, findings: Findings): void {
  if (old === undefined || (old.uri === part.uri && old.durationS === part.durationS)) return;
  findings.add("part-changed", part.line, `${old.uri} ${old.durationS} to ${part.uri} ${part.durationS}`);
}

/** Counted for the first segment that both list: it cannot have another discontinuity sequence than it had. */
function compareDiscontinuities(before: ReadMedia, after: ReadMedia, findings: Findings): void {
  const shared = after.segments.find(({ sequence }) => before.segments.some((old) => old.sequence === sequence));
  const old = before.segments.find(({ sequence }) => sequence === shared?.sequence);
  // A delta update does not show what discontinuities it skips.
  if (shared === undefined || old === undefined || after.skipped > 0) return;
  const [was, is] = [
    before.discontinuitySequence + old.discontinuities,
    after.discontinuitySequence + shared.discontinuities,
  ];
  if (was !== is) findings.add("discontinuity-sequence", shared.line, `${shared.uri}: ${was} to ${is}`);
}

/** Parts that were open and what was hinted, as they are found again in the segments or in the open one. */
function compareOpen(before: ReadMedia, after: ReadMedia, findings: Findings): void {
  const open = lastOf(before) + 1;
  const closed = after.segments.find(({ sequence }) => sequence === open);
  const isStillOpen = lastOf(after) < open;
  const now = closed?.parts ?? (isStillOpen ? after.openParts : []);
  if (now.length === 0) {
    if (isStillOpen && before.openParts.length > 0) findings.add("part-changed", undefined, "parts left again");
    return;
  }
  for (const [index, old] of before.openParts.entries()) {
    const part = now[index];
    if (part === undefined) findings.add("part-changed", undefined, `${old.uri} left again`);
    else comparePart(old, part, findings);
  }
  const hint = before.hints.find(({ type }) => type === "PART");
  if (hint === undefined) return;
  const following =
    lastOf(after) > open ? after.segments.find(({ sequence }) => sequence === open + 1)?.parts : after.openParts;
  // The hinted part may be the first of the next segment, where the open one was whole without another.
  const next = now[before.openParts.length] ?? (closed === undefined ? undefined : following?.[0]);
  if (next !== undefined && next.uri !== hint.uri)
    findings.add("hint-broken", hint.line, `${hint.uri}, came ${next.uri}`);
  const moved = after.hints.find(({ type }) => type === "PART");
  if (next === undefined && moved !== undefined && moved.uri !== hint.uri) {
    findings.add("hint-broken", moved.line, `${hint.uri}, then ${moved.uri}`);
  }
}
