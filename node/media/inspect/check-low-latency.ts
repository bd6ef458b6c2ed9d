import type { ListedPart, ReadMedia } from "./media-playlist.ts";
import type { Findings } from "./rules.ts";

/** A part may be this much shorter than the target. */
const SHORTEST_PART = 0.85;
/** Durations are written with five digits: their sum is off by less. */
const SUM_TOLERANCE_S = 0.02;
const ROUNDING_S = 0.000_1;

/** Three times 0.2 is more than 0.6 in binary fractions, and durations are rounded: by so little nothing is broken. */
const isBelow = (seconds: number, least: number) => seconds < least - ROUNDING_S;

/** What parts, hints and delta updates must obey within one playlist. */
export function checkLowLatency(media: ReadMedia, findings: Findings): void {
  checkControl(media, findings);
  checkParts(media, findings);
  checkHints(media, findings);
  checkSkip(media, findings);
}

function checkControl({ control, partTargetS, targetDurationS, segments, openParts }: ReadMedia, findings: Findings) {
  const firstPart = [...segments.flatMap(({ parts }) => parts), ...openParts][0];
  if (firstPart !== undefined && partTargetS === undefined) {
    findings.add("part-target-missing", firstPart.line, "EXT-X-PART");
  }
  const skipUntil = Number(control?.get("CAN-SKIP-UNTIL") ?? Number.POSITIVE_INFINITY);
  if (targetDurationS !== undefined && isBelow(skipUntil, 6 * targetDurationS)) {
    findings.add("skip-until-short", undefined, `${skipUntil} s`);
  }
  if (partTargetS === undefined) return;
  if (control?.get("CAN-BLOCK-RELOAD") !== "YES") findings.add("block-reload-missing", undefined, "EXT-X-PART-INF");
  const holdBack = control?.get("PART-HOLD-BACK");
  if (holdBack === undefined) findings.add("part-hold-back-missing", undefined, "EXT-X-PART-INF");
  else if (isBelow(Number(holdBack), 2 * partTargetS)) findings.add("part-hold-back-short", undefined, `${holdBack} s`);
  else if (isBelow(Number(holdBack), 3 * partTargetS))
    findings.add("part-hold-back-advised", undefined, `${holdBack} s`);
}

function checkParts({ segments, openParts, partTargetS }: ReadMedia, findings: Findings): void {
  if (partTargetS === undefined) return;
  const check = (parts: readonly ListedPart[], isWhole: boolean) => {
    for (const [index, { durationS, independent, gap, uri, line }] of parts.entries()) {
      if (isBelow(partTargetS, durationS)) findings.add("part-too-long", line, `${uri}: ${durationS}`);
      // The last part of a segment that is not whole may be the last of all: nobody knows yet.
      const isLast = index === parts.length - 1;
      const mayBeShort = independent || gap || isLast;
      if (!mayBeShort && isBelow(durationS, SHORTEST_PART * partTargetS))
        findings.add("part-too-short", line, `${uri}: ${durationS}${isWhole ? "" : " of the open segment"}`);
    }
  };
  for (const { parts, durationS, gap, uri, line } of segments) {
    if (parts.length === 0) continue;
    check(parts, true);
    const sumS = parts.reduce((sum, part) => sum + part.durationS, 0);
    if (Math.abs(sumS - durationS) > SUM_TOLERANCE_S) findings.add("part-sum", line, `${uri}: ${sumS}, ${durationS}`);
    const available = parts.find((part) => !part.gap);
    if (gap && available !== undefined) findings.add("part-gap", available.line, available.uri);
  }
  check(openParts, false);
}

function checkHints({ hints, ended }: ReadMedia, findings: Findings): void {
  const types = new Set<string>();
  for (const { type, uri, line } of hints) {
    if (ended) findings.add("hint-after-end", line, uri);
    if (types.has(type)) findings.add("hint-duplicate", line, uri);
    types.add(type);
  }
}

function checkSkip({ skipped, tags, control, segments, openParts }: ReadMedia, findings: Findings): void {
  const tag = tags.find(({ name }) => name === "EXT-X-SKIP");
  if (tag === undefined) return;
  const skipUntil = control?.get("CAN-SKIP-UNTIL");
  if (skipUntil === undefined) {
    findings.add("skip-unoffered", tag.line, `${skipped} segments`);
    return;
  }
  const listedS =
    segments.reduce((sum, { durationS }) => sum + durationS, 0) +
    openParts.reduce((sum, { durationS }) => sum + durationS, 0);
  // All that is nearer to the end than the boundary is listed, so what is listed reaches at least that far back.
  if (isBelow(listedS, Number(skipUntil))) findings.add("skip-too-near", tag.line, `${listedS} s listed`);
}
