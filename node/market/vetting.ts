import type { VettingStage } from "@leat/sdk/selection/candidate.ts";

/** What a node has shown so far. */
export interface WorkRecord {
  readonly passed: number;
  readonly failed: number;
}

/** Segments that must pass for the next stage: at two seconds each, seven minutes and some six hours of work. */
const PROBATION_AFTER = 200;
const STANDING_AFTER = 10_000;
/** One failure costs as many passes. */
const FAILURE_COST = 500;

/** How far a node has come: passes count, and a failure throws it back. */
export function vettingStage({ passed, failed }: WorkRecord): VettingStage {
  const credit = passed - failed * FAILURE_COST;
  if (credit >= STANDING_AFTER) return "standing";
  return credit >= PROBATION_AFTER ? "probation" : "new";
}

/** Share of its segments that are checked beyond container facts. */
export function samplingRate(stage: VettingStage): number {
  return { new: 1, probation: 0.2, standing: 0.05 }[stage];
}
