import type { Hex } from "@leat/sdk/protocol/hex.ts";

/** A part inside its segment. */
export interface LivePart {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly frames: number;
  readonly pixels: number;
  readonly durationTicks: number;
  readonly startTicks: number;
  readonly independent: boolean;
  readonly headSizeBytes: number;
  readonly sha256: Hex;
}

export interface SegmentPlace {
  readonly rung: number;
  readonly sequence: number;
  readonly epoch: number;
  readonly configVersion: number;
  readonly wallClockMs: number;
}

/** A closed segment of one rung; its bytes are kept elsewhere. */
export interface LiveSegment extends SegmentPlace {
  readonly frames: number;
  readonly durationTicks: number;
  readonly sizeBytes: number;
  readonly parts: readonly LivePart[];
}

/** A segment of one rung that is not whole yet: the parts that it has. */
export interface OpenSegment extends SegmentPlace {
  readonly parts: readonly LivePart[];
}

/** When a segment's earliest frame shows, in ticks of its epoch. */
export function startOf({ parts }: Pick<LiveSegment, "parts">): number {
  return parts[0]?.startTicks ?? 0;
}

/** Bytes of a segment up to the end of its first picture; undefined where that is no key frame. */
export function keyFrameSize({ parts: [first] }: LiveSegment): number | undefined {
  return first?.independent === true ? first.headSizeBytes : undefined;
}
