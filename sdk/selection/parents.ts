import type { Address } from "../protocol/hex.ts";
import { MAX_PARENTS } from "../protocol/limits.ts";
import { distanceBetween } from "./cost.ts";
import type { SelectionParameters } from "./parameters.ts";

/** A node that has the stream: its origin, or an edge. */
export interface StreamHolder {
  readonly node: Address;
  readonly region: string;
  /** Measured round trip to the balancer, milliseconds; undefined before it was. */
  readonly rttMs: number | undefined;
  /** Steps to the origin, whose own depth is 0. */
  readonly depth: number;
  /** Edges that it feeds. */
  readonly feeds: number;
  /** Whom it may ask before the origin. */
  readonly parents: readonly Address[];
}

export interface ParentRequest {
  readonly node: Address;
  readonly region: string;
  /** Measured round trip to the balancer, milliseconds; undefined before it was. */
  readonly rttMs: number | undefined;
  /** Of an edge that may feed others already: it takes no parent that is not nearer to the origin than itself. */
  readonly depth?: number;
  /** Whom it has its stream from now: kept where nothing speaks against it. */
  readonly held?: Address;
  /** Edges that one holder feeds. */
  readonly fanOut: number;
  /** Holders that did not serve it, or altered the stream. */
  readonly refused: ReadonlySet<Address>;
}

/** Why a holder is not asked. `BELOW`: it is no nearer to the origin than the edge, or may ask that itself. */
export type ParentFault = "SELF" | "REFUSED" | "BELOW" | "FULL";

/**
 * Why the first one is. `NEAREST`: of all that have room. `KEPT`: the edge has it, and nothing speaks against that.
 * `LAST_RESORT`: nobody has room, so the origin. `OWN`: the edge is the origin.
 */
export type ParentReason = "NEAREST" | "KEPT" | "LAST_RESORT" | "OWN";

export interface ParentTerms {
  /** By how much the two's round trips to the balancer differ: they are no nearer to each other. 0: one is unknown. */
  readonly rtt: number;
  readonly distance: number;
  readonly steps: number;
}

export interface WeighedHolder {
  readonly node: Address;
  readonly terms: ParentTerms;
  readonly cost: number;
  readonly fault?: ParentFault;
}

/** A choice with its reasons. */
export interface ParentChoice {
  /** Edges to ask, in this order, before the origin, which is asked last. */
  readonly parents: readonly Address[];
  readonly depth: number;
  /** Nobody has room: the origin feeds it beyond what it should, until somebody does. */
  readonly isLastResort: boolean;
  readonly reason: ParentReason;
  /** All holders, the cheapest first. */
  readonly weighed: readonly WeighedHolder[];
}

/** A choice as it is kept and shown: of many holders those that were chosen, and the cheapest. */
export interface ParentSummary {
  readonly reason: ParentReason;
  readonly weighed: readonly WeighedHolder[];
  /** How many are left out. */
  readonly more: number;
}

/** A step more to the origin weighs as much as 50 ms more between the two. */
const POINTS_PER_STEP = 500;

/**
 * Whom an edge has its stream from: the nearest holder that has room. Those who stand in are all nearer to the origin
 * than the edge itself, and none of them may ask the edge, so whoever stands in where, no circle comes about. The origin
 * is the last resort and has room.
 *
 * Example with room for two each and round trips alike: the origin in `eu` feeds A in `eu` and B in `ap`. C in `ap` is
 * below B, which costs it 500 points, where the origin costs 1,000 and A 1,500; A stands in for B, and the origin for
 * both.
 */
export function chooseParents(
  request: ParentRequest,
  origin: StreamHolder,
  edges: readonly StreamHolder[],
  parameters: Pick<SelectionParameters, "pointsPerRttMs" | "pointsPerDistance">,
): ParentChoice {
  // The origin serves viewers, too: it has the stream.
  if (request.node === origin.node) return { parents: [], depth: 1, isLastResort: false, reason: "OWN", weighed: [] };
  const below = findBelow(request.node, edges);
  const weighed = [origin, ...edges.filter(({ node }) => node !== origin.node)]
    .map((holder) => ({ holder, ...weigh(request, origin, holder, below, parameters) }))
    .sort((left, right) => left.cost - right.cost);
  const open = weighed.filter(({ fault }) => fault === undefined).map(({ holder }) => holder);
  const first = open.find(({ node }) => node === request.held) ?? open[0] ?? origin;
  const others = open.filter(({ node, depth }) => node !== first.node && node !== origin.node && depth <= first.depth);
  const parents = first.node === origin.node ? [] : [first, ...others].slice(0, MAX_PARENTS);
  return {
    parents: parents.map(({ node }) => node),
    depth: first.depth + 1,
    isLastResort: open.length === 0,
    reason: open.length === 0 ? "LAST_RESORT" : first === open[0] ? "NEAREST" : "KEPT",
    weighed: weighed.map(({ holder, terms, cost, fault }) => ({
      node: holder.node,
      terms,
      cost,
      ...(fault === undefined ? {} : { fault }),
    })),
  };
}

/** `most`: of the cheapest; those that were chosen are among them. */
export function summarizeParents(
  { parents, reason, weighed }: Pick<ParentChoice, "parents" | "reason" | "weighed">,
  most: number,
): ParentSummary {
  const shown = weighed.filter(({ node }, place) => place < most || parents.includes(node));
  return { reason, weighed: shown, more: weighed.length - shown.length };
}

function weigh(
  request: ParentRequest,
  origin: StreamHolder,
  holder: StreamHolder,
  below: ReadonlySet<Address>,
  parameters: Pick<SelectionParameters, "pointsPerRttMs" | "pointsPerDistance">,
): { readonly terms: ParentTerms; readonly cost: number; readonly fault: ParentFault | undefined } {
  const terms: ParentTerms = {
    rtt: apartMs(holder, request) * parameters.pointsPerRttMs,
    distance: distanceBetween(request.region, holder.region) * parameters.pointsPerDistance,
    steps: holder.depth * POINTS_PER_STEP,
  };
  return { terms, cost: terms.rtt + terms.distance + terms.steps, fault: findFault(request, origin, holder, below) };
}

function apartMs({ rttMs }: StreamHolder, request: ParentRequest): number {
  return rttMs === undefined || request.rttMs === undefined ? 0 : Math.abs(rttMs - request.rttMs);
}

/** The edges that may have their stream from `node`, by whomever. */
function findBelow(node: Address, edges: readonly StreamHolder[]): Set<Address> {
  const below = new Set([node]);
  for (let size = 0; size < below.size; ) {
    size = below.size;
    for (const edge of edges) if (edge.parents.some((parent) => below.has(parent))) below.add(edge.node);
  }
  return below;
}

function findFault(
  request: ParentRequest,
  origin: StreamHolder,
  holder: StreamHolder,
  below: ReadonlySet<Address>,
): ParentFault | undefined {
  if (holder.node === request.node) return "SELF";
  if (holder.node !== origin.node && request.refused.has(holder.node)) return "REFUSED";
  const isNoNearer = request.depth !== undefined && holder.depth >= request.depth;
  if (isNoNearer || (holder.node !== origin.node && below.has(holder.node))) return "BELOW";
  return holder.feeds >= request.fanOut ? "FULL" : undefined;
}
