/** Why a channel's voucher is presented on chain now. */
export type CollectReason = "job-ended" | "half-of-reserve" | "thaw-started" | "age";

export interface CollectFacts {
  /** Total of the newest held voucher, base units. */
  readonly vouchered: bigint;
  /** Total that the chain paid or that a transaction of ours under way will pay. */
  readonly collected: bigint;
  /** Confirmed and not thawing. */
  readonly reserve: bigint;
  readonly thawing: bigint;
  /** A job of this channel ended and has its final voucher. */
  readonly jobEnded: boolean;
  /** Since the first amount that is not collected was vouchered. */
  readonly uncollectedForMs: number;
}

/** The reason to collect, if there is one. Nothing to gain is never a reason: gas is not paid twice for one voucher. */
export function reasonToCollect(facts: CollectFacts, maxAgeMs: number): CollectReason | undefined {
  const open = facts.vouchered - facts.collected;
  if (open <= 0n) return undefined;
  if (facts.thawing > 0n) return "thaw-started";
  if (facts.jobEnded) return "job-ended";
  if (open * 2n >= facts.reserve) return "half-of-reserve";
  return facts.uncollectedForMs >= maxAgeMs ? "age" : undefined;
}
