import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import { type Frame, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import { hashPartLeaf, MerkleError, merkleRoot } from "@leat/sdk/protocol/merkle.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { findPictureFault } from "./pictures.ts";
import type { BitrateWindow, CheckCode, CheckVerdict, ReturnedRung, ReturnedSegment } from "./types.ts";

/**
 * Wide, since an encoder rightly spends little on a still picture and overshoots on a hard one: it stops a rung that is
 * empty or swollen; whether the picture is good is check 2's.
 */
export const defaultBitrateWindow: BitrateWindow = { lowest: 0.001, highest: 4 };
/** Added to a segment's length when its largest size is reckoned: a short segment is mostly its key frame. */
const BITRATE_SLACK_S = 1;
/** Reordering moves the decode time of a segment's ends by a frame or two. */
const DURATION_SLACK_FRAMES = 2;
const DURATION_SLACK_TICKS = VIDEO_TIMESCALE / 10;
/** Both sides round the same ticks to milliseconds. */
const RECEIPT_SLACK_MS = 1;

const passed: CheckVerdict = { ok: true };

/** Check 1 of every segment: container facts against what was asked, and the bytes against the signed receipt. */
export function verifySegment(segment: ReturnedSegment, window: BitrateWindow = defaultBitrateWindow): CheckVerdict {
  const { renditions, rungs } = segment;
  const numbers = new Set(rungs.map((item) => item.rung));
  if (numbers.size !== rungs.length || rungs.length !== renditions.length) {
    return failed("CHECK_RUNGS", { wanted: `${renditions.length}`, found: `${rungs.length}` });
  }
  for (const rendition of renditions) {
    const returned = rungs.find((item) => item.rung === rendition.rung);
    if (returned === undefined) return failed("CHECK_RUNGS", { rung: rendition.rung });
    const verdict = verifyRung(segment, rendition, returned, window);
    if (!verdict.ok) return { ...verdict, rung: rendition.rung };
  }
  const verdict = verifyLeaves(segment);
  return verdict.ok ? verifyReceipt(segment) : verdict;
}

/** The code of what is wrong, if anything is. */
export function findFault(segment: ReturnedSegment): CheckCode | undefined {
  const verdict = verifySegment(segment);
  return verdict.ok ? undefined : verdict.code;
}

function verifyRung(
  { source }: ReturnedSegment,
  rendition: RenditionInfo,
  { config, frames, packed }: ReturnedRung,
  window: BitrateWindow,
): CheckVerdict {
  if (config.codec !== rendition.codec) return failed("CHECK_CODEC", { wanted: rendition.codec, found: config.codec });
  if (frames.length !== source.frames.length) {
    return failed("CHECK_FRAMES", { wanted: `${source.frames.length}`, found: `${frames.length}` });
  }
  const timestamps = findTimestampFault(source.frames, frames);
  if (timestamps !== undefined) return failed("CHECK_TIMESTAMPS", { found: timestamps });
  const first = frames[0];
  // Every other picture of the segment must show after it: the group is closed.
  if (first === undefined || !first.key || frames.some((frame) => frame.pts < first.pts))
    return failed("CHECK_KEYFRAME");
  const size = { width: rendition.width ?? config.width, height: rendition.height ?? config.height };
  try {
    const fault = findPictureFault(config, frames, size);
    if (fault !== undefined) return { ok: false, ...fault };
  } catch (error) {
    if (!(error instanceof BitstreamError)) throw error;
    return failed("CHECK_BITSTREAM", { found: error.message });
  }
  const slack = Math.max(longestStep(source.frames) * DURATION_SLACK_FRAMES, DURATION_SLACK_TICKS);
  if (Math.abs(packed.totals.durationTicks - source.durationTicks) > slack) {
    return failed("CHECK_DURATION", { wanted: `${source.durationTicks}`, found: `${packed.totals.durationTicks}` });
  }
  const seconds = source.durationTicks / VIDEO_TIMESCALE;
  const bits = packed.totals.sizeBytes * 8;
  const highest = rendition.bitrate * window.highest * (seconds + BITRATE_SLACK_S);
  if (bits < rendition.bitrate * window.lowest * seconds || bits > highest) {
    return failed("CHECK_BITRATE", { wanted: `${rendition.bitrate}`, found: `${Math.round(bits / seconds)}` });
  }
  return passed;
}

/** A picture shows exactly when its source shows. */
function findTimestampFault(source: readonly Frame[], frames: readonly Frame[]): string | undefined {
  const wanted = shownTimes(source);
  const found = shownTimes(frames);
  const at = wanted.findIndex((pts, index) => pts !== found[index]);
  if (at >= 0) return `pts ${found[at]} for ${wanted[at]}`;
  const strange = frames.find((frame) => frame.epoch !== source[0]?.epoch);
  return strange === undefined ? undefined : `epoch ${strange.epoch}`;
}

/**
 * The longest that a picture stands, by its own word or until the next one shows: of a source that was cut off in the
 * middle of pictures that refer to a later one, that one came and those before it did not.
 */
function longestStep(frames: readonly Frame[]): number {
  const shown = shownTimes(frames);
  const steps = shown.slice(1).map((pts, at) => pts - shown[at]!);
  return Math.max(...steps, ...frames.map(({ duration }) => duration));
}

function shownTimes(frames: readonly Frame[]): number[] {
  return frames.map((frame) => frame.pts).sort((left, right) => left - right);
}

function verifyLeaves({ rungs, leaves, receipt }: ReturnedSegment): CheckVerdict {
  const parts = [...rungs]
    .sort((left, right) => left.rung - right.rung)
    .flatMap(({ rung, packed }) => packed.parts.map((part) => ({ rung, part })));
  if (parts.length !== leaves.length) {
    return failed("CHECK_UNITS", { wanted: `${parts.length} parts`, found: `${leaves.length}` });
  }
  const sorted = [...leaves].sort((left, right) => left.rung - right.rung || left.part - right.part);
  for (const [index, { rung, part }] of parts.entries()) {
    const leaf = sorted[index]!;
    const isCounted =
      leaf.rung === rung &&
      leaf.part === part.index &&
      leaf.frames === part.frames &&
      leaf.pixels === BigInt(part.pixels) &&
      leaf.sizeBytes === BigInt(part.bytes.length);
    if (!isCounted) return failed("CHECK_UNITS", { rung, found: `part ${part.index}` });
    if (leaf.sha256.toLowerCase() !== bytesToHex(part.sha256))
      return failed("CHECK_HASH", { rung, found: `part ${part.index}` });
  }
  try {
    const root = merkleRoot(leaves.map(hashPartLeaf));
    return root === receipt.value.outputRoot.toLowerCase() ? passed : failed("CHECK_ROOT");
  } catch (error) {
    if (!(error instanceof MerkleError)) throw error;
    return failed("CHECK_UNITS", { found: error.message });
  }
}

function verifyReceipt({ receipt: { value }, source, leaves }: ReturnedSegment): CheckVerdict {
  const sizeBytes = leaves.reduce((sum, leaf) => sum + leaf.sizeBytes, 0n);
  const durationMs = Math.round((source.durationTicks * 1000) / VIDEO_TIMESCALE);
  if (value.inputHash.toLowerCase() !== source.inputHash.toLowerCase())
    return failed("CHECK_RECEIPT", { found: "inputHash" });
  if (value.firstFrame !== BigInt(source.firstFrame)) return failed("CHECK_RECEIPT", { found: "firstFrame" });
  if (value.frames !== source.frames.length) return failed("CHECK_RECEIPT", { found: "frames" });
  if (value.sizeBytes !== sizeBytes) return failed("CHECK_RECEIPT", { found: "sizeBytes" });
  const isLong = Math.abs(value.durationMs - durationMs) <= RECEIPT_SLACK_MS;
  return isLong ? passed : failed("CHECK_RECEIPT", { found: "durationMs" });
}

function failed(code: CheckCode, facts: { rung?: number; wanted?: string; found?: string } = {}): CheckVerdict {
  return { ok: false, code, ...facts };
}
