import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import { isAltered } from "../jobs/altered.ts";

interface Refused {
  readonly code: string;
  readonly untilMs: number;
}

/** Who is not named to an edge, and why. */
export interface RefusedHolder {
  readonly node: Address;
  readonly code: string;
  /** Milliseconds since 1970; null: never again. */
  readonly untilMs: number | null;
}

/** One that did not serve may do so later: its machine was busy, or it had no room. */
const REFUSED_MS = 60_000;
/** One that said it serves, and did not, has a reason, or is none to rely on. */
const LEFT_MS = 600_000;

/** Whose stream falls behind that of its origin, while the one who feeds it says that it is there. */
export const PARENT_BEHIND = "DELIVERY_PARENT_BEHIND";
/** The same of one rung, or of the ends of segments, as the edge itself finds. */
const withheld: readonly string[] = ["DELIVERY_RUNG_WITHHELD", "DELIVERY_SEGMENTS_CUT"];

/** Who did not serve which edge, and how long nobody names it to that one. */
export class RefusedHolders {
  readonly #known = new Map<Hex, Map<Address, Refused>>();

  /** False where it was refused for that already. */
  note(job: Hex, holder: Address, code: string, nowMs: number): boolean {
    const refused = this.#known.get(job) ?? new Map<Address, Refused>();
    this.#known.set(job, refused);
    const before = refused.get(holder);
    const untilMs = nowMs + lastsMs(code);
    // What weighs more stands, whatever came after.
    if (before === undefined || before.untilMs <= untilMs) refused.set(holder, { code, untilMs });
    return before?.code !== code || before.untilMs <= nowMs;
  }

  forget(job: Hex): void {
    this.#known.delete(job);
  }

  keepOnly(isKnown: (job: Hex) => boolean): void {
    for (const job of this.#known.keys()) if (!isKnown(job)) this.#known.delete(job);
  }

  /** Those that are not named to this edge now. */
  of(job: Hex, nowMs: number): Address[] {
    return this.list(job, nowMs).map(({ node }) => node);
  }

  /** The same with the reasons. */
  list(job: Hex, nowMs: number): RefusedHolder[] {
    return [...(this.#known.get(job) ?? [])]
      .filter(([, { untilMs }]) => untilMs > nowMs)
      .map(([node, { code, untilMs }]) => ({ node, code, untilMs: Number.isFinite(untilMs) ? untilMs : null }));
  }

  /** Those that edges of two operators say alter the stream. Whose an edge is must be known. */
  condemned(edges: readonly { readonly job: Hex; readonly operator: Address | undefined }[]): Address[] {
    const accusers = new Map<Address, Set<Address>>();
    for (const { job, operator } of edges) {
      if (operator === undefined) continue;
      for (const [node, { code }] of this.#known.get(job) ?? []) {
        if (isAltered(code)) accusers.set(node, (accusers.get(node) ?? new Set()).add(operator));
      }
    }
    return [...accusers].filter(([, operators]) => operators.size > 1).map(([node]) => node);
  }

  /** When the first of those that these edges refuse now is named again; undefined where there is none. */
  nextMs(jobs: readonly Hex[], nowMs: number): number | undefined {
    const times = jobs.flatMap((job) => [...(this.#known.get(job)?.values() ?? [])].map(({ untilMs }) => untilMs));
    const next = Math.min(...times.filter((untilMs) => untilMs > nowMs));
    return Number.isFinite(next) ? next : undefined;
  }
}

function lastsMs(code: string): number {
  if (isAltered(code)) return Number.POSITIVE_INFINITY;
  return code === PARENT_BEHIND || withheld.includes(code) ? LEFT_MS : REFUSED_MS;
}
