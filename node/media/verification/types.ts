import type { Frame, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import type { Receipt } from "@leat/sdk/protocol/signed.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";

/** One rung of a segment as it arrived, and as the checker packed it. */
export interface ReturnedRung {
  readonly rung: number;
  readonly config: VideoConfig;
  /** In decode order. */
  readonly frames: readonly Frame[];
  readonly packed: {
    readonly parts: readonly {
      readonly index: number;
      readonly bytes: Uint8Array;
      readonly frames: number;
      readonly pixels: number;
      readonly sha256: Uint8Array;
    }[];
    readonly totals: { readonly durationTicks: number; readonly sizeBytes: number };
  };
}

/** All that check 1 goes by: what was asked for, what went in, what came back and what its maker signed. */
export interface ReturnedSegment {
  readonly receipt: { readonly value: Receipt };
  readonly leaves: readonly PartLeaf[];
  /** The rungs of the job. */
  readonly renditions: readonly RenditionInfo[];
  readonly rungs: readonly ReturnedRung[];
  readonly source: {
    readonly frames: readonly Frame[];
    readonly firstFrame: number;
    readonly inputHash: Hex;
    readonly durationTicks: number;
  };
}

export type CheckCode =
  /** A rung is missing, was not asked for, or came twice. */
  | "CHECK_RUNGS"
  | "CHECK_CODEC"
  /** Not 8-bit 4:2:0. */
  | "CHECK_FORMAT"
  | "CHECK_SIZE"
  /** Not one picture for every source picture. */
  | "CHECK_FRAMES"
  | "CHECK_TIMESTAMPS"
  /** The segment does not start with a key frame, or flags lie about key frames. */
  | "CHECK_KEYFRAME"
  | "CHECK_DURATION"
  | "CHECK_BITRATE"
  /** Leaves do not list the parts, or count other frames, pixels or bytes than they have. */
  | "CHECK_UNITS"
  | "CHECK_HASH"
  | "CHECK_ROOT"
  /** The receipt's own sums do not fit the source segment. */
  | "CHECK_RECEIPT"
  /** The bitstream cannot be read. */
  | "CHECK_BITSTREAM";

export type CheckVerdict =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly code: CheckCode;
      readonly rung?: number;
      readonly wanted?: string;
      readonly found?: string;
    };

export interface BitrateWindow {
  /** Of the target, over the segment. */
  readonly lowest: number;
  readonly highest: number;
}
