import type { Boundary, Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { PackedPart, PackedSegment } from "../jobs/packed-segment.ts";

/** What is known of a segment while its source still comes in. */
export interface BegunSegment {
  readonly boundary: Boundary;
  readonly wallClockMs: number;
  /** When its pictures show, rising: those that came so far. */
  readonly shownAt: readonly number[];
  readonly isComplete: boolean;
}

/** A rung's frame as a transcoder sent it. */
export interface MadeFrame {
  readonly sequence: number;
  readonly config: VideoConfig;
  readonly frame: Frame;
}

/** What of a segment one attempt made: all, or the rest after what another had published. */
export interface MadeRange {
  /** Job and attempt. */
  readonly maker: string;
  readonly sequence: number;
  /** Where it starts: pts, pictures and parts of the segment before it. */
  readonly fromPts: number;
  readonly picture: number;
  readonly part: number;
}

/** Whether a frame that was sent again is the one that was sent before. */
export function isSame(left: Frame, right: Frame): boolean {
  if (left === right) return true;
  const isTimed = left.dts === right.dts && left.pts === right.pts && left.duration === right.duration;
  return isTimed && left.key === right.key && Buffer.compare(left.data, right.data) === 0;
}

/** The parts that one maker made of a rung's segment. */
export function packedRange(
  rung: number,
  sequence: number,
  parts: readonly PackedPart[],
  frames: number,
): PackedSegment {
  const totals = {
    parts: parts.length,
    frames,
    durationTicks: parts.reduce((sum, part) => sum + part.durationTicks, 0),
    sizeBytes: parts.reduce((sum, part) => sum + part.bytes.length, 0),
    partsFit: true,
  };
  return { rung, sequence, parts, totals };
}
