/** An edge of a stream, as its node last said. */
export interface EdgeUse {
  readonly viewers: number;
  /** The node's own load over its configured capacity, thousandths: of all that it does. */
  readonly loadPermille: number;
  /** What the node serves to viewers at most, bytes a second, of all streams. */
  readonly bytesPerSecond: number;
}

export interface EdgeDemandRules {
  readonly fewest: number;
  readonly most: number;
  /** What one viewer takes. */
  readonly viewerBytesPerSecond: number;
  /** How long fewer must do before there are fewer. */
  readonly calmMs: number;
  /** How long an edge more is given to show what it changes. */
  readonly settleMs: number;
}

/** How many edges a stream shall have, and what the next decision must know. */
export interface EdgeDemand {
  readonly edges: number;
  /** Since when fewer would do. */
  readonly calmSinceMs?: number;
  readonly changedAtMs?: number;
  /** Why it changed now. */
  readonly reason?: "BUSY" | "CALM";
}

// Below what shuts a node out of the selection (0.80): viewers go on coming while an edge more is on its way.
const GROW_AT_PERMILLE = 700;
// With one edge less the others stay well below where one more would be wanted: nothing flaps.
const SHRINK_AT_PERMILLE = 400;

/** How much of what it can do an edge does for viewers, thousandths. One that nobody watches does nothing. */
export function useOf(edge: EdgeUse, viewerBytesPerSecond: number): number {
  const { viewers, loadPermille, bytesPerSecond } = edge;
  if (viewers === 0) return 0;
  const share = Math.floor((viewers * viewerBytesPerSecond * 1_000) / Math.max(1, bytesPerSecond));
  return Math.max(share, loadPermille);
}

/**
 * One edge more where those that there are do 0.70 of what they can; one less where the others would do no more than 0.40
 * without it, for `calmMs` on end. `running` are all that serve now.
 *
 * Example: two edges at 0.8 and 0.6 are busy, and a third comes. Three at 0.47 are neither: two would be at 0.70. Three
 * at 0.25 are calm: two are at 0.38.
 */
export function nextEdgeDemand(
  before: EdgeDemand,
  running: readonly EdgeUse[],
  rules: EdgeDemandRules,
  nowMs: number,
): EdgeDemand {
  const { edges, calmSinceMs, changedAtMs } = before;
  // Whatever a node claims, it counts as one that does all that it can.
  const use = (edge: EdgeUse) => Math.min(useOf(edge, rules.viewerBytesPerSecond), 1_000);
  const sum = running.reduce((total, edge) => total + use(edge), 0);
  const changed = changedAtMs === undefined ? {} : { changedAtMs };
  const isSettled = changedAtMs === undefined || nowMs - changedAtMs >= rules.settleMs;
  const isBusy = running.length >= edges && sum >= GROW_AT_PERMILLE * running.length && running.length > 0;
  if (isBusy && isSettled && edges < rules.most) return { edges: edges + 1, changedAtMs: nowMs, reason: "BUSY" };
  const isCalm = edges > rules.fewest && sum <= SHRINK_AT_PERMILLE * (edges - 1);
  if (!isCalm) return { edges, ...changed };
  const sinceMs = calmSinceMs ?? nowMs;
  if (nowMs - sinceMs < rules.calmMs) return { edges, calmSinceMs: sinceMs, ...changed };
  return { edges: edges - 1, calmSinceMs: nowMs, changedAtMs: nowMs, reason: "CALM" };
}
