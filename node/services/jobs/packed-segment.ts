import { createHash, hash } from "node:crypto";
import { type Part, partTargetTicks, SegmentPackager, type SegmentTotals } from "@leat/node/media/packager.ts";
import type { Frame, SourceConfig } from "@leat/sdk/protocol/frame.ts";
import { bytesToHex } from "@leat/sdk/protocol/hex.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";

export interface PackedPart extends Part {
  readonly sha256: Uint8Array;
}

/** One rung's segment, packaged: every node makes the same of the same frames. */
export interface PackedSegment {
  readonly rung: number;
  readonly sequence: number;
  readonly parts: readonly PackedPart[];
  readonly totals: SegmentTotals;
}

export interface SegmentFrames {
  readonly rung: number;
  readonly sequence: number;
  readonly config: SourceConfig;
  /** In decode order. */
  readonly frames: readonly Frame[];
  readonly partTargetMs: number;
  /** The number of their first part, where another transcoder made the segment's beginning. */
  readonly firstPart?: number;
}

/** How a segment becomes parts. A component, so that the bytes can be followed (or falsified) from outside. */
export type PackSegment = (segment: SegmentFrames) => PackedSegment;

export const packSegment: PackSegment = ({ rung, sequence, config, frames, partTargetMs, firstPart = 0 }) => {
  const packager = new SegmentPackager({
    config,
    sequence,
    partTargetTicks: partTargetTicks(config.timescale, partTargetMs),
    firstPart,
  });
  const parts: PackedPart[] = [];
  for (const frame of frames) {
    const part = packager.push(frame);
    if (part !== undefined) parts.push(hashPart(part));
  }
  const last = packager.finish();
  if (last !== undefined) parts.push(hashPart(last));
  return { rung, sequence, parts, totals: packager.totals };
};

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash("sha256", bytes, "buffer");
}

export function hashPart(part: Part): PackedPart {
  return { ...part, sha256: sha256(part.bytes) };
}

/** SHA-256 of a whole segment: of its parts in order. */
export function hashSegment(segment: PackedSegment): Uint8Array {
  const hash = createHash("sha256");
  for (const part of segment.parts) hash.update(part.bytes);
  return hash.digest();
}

/** The leaves that a receipt of the work on this segment has. */
export function partLeaves(segment: PackedSegment): PartLeaf[] {
  return segment.parts.map((part) => ({
    rung: segment.rung,
    part: part.index,
    frames: part.frames,
    pixels: BigInt(part.pixels),
    sizeBytes: BigInt(part.bytes.length),
    sha256: bytesToHex(part.sha256),
  }));
}
