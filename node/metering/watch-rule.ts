import { costInToken, gasOfClaim, type TokenValue } from "./collect-rule.ts";

export interface ThawFacts {
  /** When the thaw, or the end of a voucher's signer, was first seen, milliseconds since 1970. */
  readonly seenAtMs: number;
  /** When what thaws can be taken away, or what was signed counts no more. */
  readonly endsAtMs: number;
  /** How long the payee is given to collect itself. */
  readonly graceMs: number;
}

/**
 * When a watchtower collects for a payee that does not: after its grace, and before a quarter of the thaw is over
 * however long the grace is, so that three quarters are left for a chain that is slow or dear. Example: a thaw of 7 days,
 * a grace of 1 h: after 1 h. A thaw of 24 h seen with 2 h left and a grace of 1 h: after 30 min.
 */
export function watchDueMs({ seenAtMs, endsAtMs, graceMs }: ThawFacts): number {
  const quarter = Math.max(0, endsAtMs - seenAtMs) / 4;
  return seenAtMs + Math.min(graceMs, quarter);
}

/** What a thaw puts at risk: what is open, as far as the channel holds it. A total says nothing that its payer cannot pay. */
export function atRisk(
  open: bigint,
  { reserve, thawing }: { readonly reserve: bigint; readonly thawing: bigint },
): bigint {
  const held = reserve + thawing;
  return open < held ? open : held;
}

export interface RescueFacts {
  /** Vouchered, not collected and held by the channel, base units. */
  readonly open: bigint;
  readonly token: TokenValue;
  /** Claims that share the transaction. */
  readonly claims: number;
  readonly weiPerGas: bigint;
}

/** Whether a channel is worth the tower's gas: not below the least amount, and more than it costs where that is known. */
export function isWorthRescue({ open, token, claims, weiPerGas }: RescueFacts): boolean {
  const cost = costInToken(gasOfClaim(claims), weiPerGas, token) ?? 0n;
  return open > cost && open >= token.leastAmount;
}

/** Whole claims that a gas budget still pays for, at most `wanted`. */
export function claimsWithinBudget(leftWei: bigint, weiPerGas: bigint, wanted: number): number {
  let claims = wanted;
  while (claims > 0 && gasOfClaim(claims) * BigInt(claims) * weiPerGas > leftWei) claims -= 1;
  return claims;
}
