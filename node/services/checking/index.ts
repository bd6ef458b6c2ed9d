import type { Frame, SourceVideoConfig, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { PartLeaf } from "@leat/sdk/protocol/merkle.ts";
import type { Receipt } from "@leat/sdk/protocol/signed.ts";
import type { Signed } from "@leat/sdk/protocol/statements.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { PackedSegment } from "../jobs/packed-segment.ts";

/** One rung as it arrived, and as the origin packaged it. */
export interface CheckedRung {
  readonly rung: number;
  readonly config: VideoConfig;
  readonly frames: readonly Frame[];
  readonly packed: PackedSegment;
}

/** All that check 1 of one family's segment goes by. */
export interface SegmentEvidence {
  readonly receipt: Signed<Receipt>;
  readonly leaves: readonly PartLeaf[];
  /** What the family must have. */
  readonly renditions: readonly RenditionInfo[];
  readonly rungs: readonly CheckedRung[];
  readonly source: {
    /** In decode order; data is not needed. */
    readonly frames: readonly Frame[];
    readonly config: SourceVideoConfig;
    readonly firstFrame: number;
    readonly inputHash: Hex;
    readonly durationTicks: number;
  };
}

export interface Checking {
  /** Runs check 1: what is wrong, as a code, or undefined. Nobody is told. */
  checkSegment(evidence: SegmentEvidence): string | undefined;
  /** Resolves when the signed result is on disk and on its way to the balancer: a segment that passed is paid. */
  report(receipt: Receipt, fault: string | undefined): Promise<void>;
  /** Results of one attempt that are decided and that the balancer has not acknowledged. */
  waiting(job: Hex, attempt: number): number;
}
