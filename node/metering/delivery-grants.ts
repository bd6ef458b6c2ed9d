/** What one edge was granted of a stream's budget for viewers that cannot sign, bytes. */
export interface DeliveryGrant {
  readonly granted: bigint;
  readonly paid: bigint;
  /** Null while it serves. */
  readonly endedAtMs: number | null;
}

/** An edge is granted so much of what is free at once: what edges that serve nobody hold must stay small beside it. */
const PART = 16n;
/** An edge's last receipts come after its end: what it was granted is nobody else's for so long. */
const HELD_MS = 60_000;

/** What an edge may still be paid out of its own grant. */
export function grantLeft({ granted, paid, endedAtMs }: DeliveryGrant, nowMs: number): bigint {
  const isHeld = endedAtMs === null || nowMs - endedAtMs < HELD_MS;
  return isHeld && granted > paid ? granted - paid : 0n;
}

/** What of a budget nobody was granted, or has returned. */
export function freeBytes(budget: bigint, grants: readonly DeliveryGrant[], nowMs: number): bigint {
  const held = grants.reduce((sum, grant) => sum + grant.paid + grantLeft(grant, nowMs), 0n);
  return budget > held ? budget - held : 0n;
}

/**
 * What an edge that has served `used` is granted in all, out of the free bytes: that, and a part ahead of it as soon as
 * less than half of one is left. All grants of a stream together are never above its budget: each edge books what it
 * serves up to its own, and what it booked is what it waits to be paid.
 *
 * Example, 1,600 bytes: the first edge is granted 100, a second one 94 of the 1,500 that are left. The first one has
 * served 60, so less than half of the 88 that would be a part now is left: it is granted 60 + 88 = 148.
 */
export function raiseGrant(granted: bigint, used: bigint, free: bigint): bigint {
  const lacking = used > granted ? used - granted : 0n;
  const covered = granted + (lacking < free ? lacking : free);
  const part = (free - (covered - granted) + PART - 1n) / PART;
  const left = covered > used ? covered - used : 0n;
  return left * 2n >= part ? covered : covered + part - left;
}
