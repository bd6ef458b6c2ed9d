import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { GONE_AFTER_MS } from "../../media-io/hls/audience.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import { isRunning, type JobBook } from "./job-book.ts";
import type { BalancerComponents } from "./ports.ts";

/** How long before a stream is let go of the buyer's agent is asked to look away. */
const LOOK_AWAY_MS = 20_000;
/** An agent that looks away is counted for so long, and its last look may take a moment. */
const COUNTED_MS = GONE_AFTER_MS + 3_000;

interface Demand {
  readonly untilMs: number;
  /** Since when the buyer's agent looks away. */
  awaySinceMs: number | undefined;
}

/**
 * Who wants a stream: whoever asked where it plays, and whoever its edges say is watching, until `idleMs` after them. The
 * buyer's agent looks at edges as a viewer does and cannot be told from one; so where nobody but it could be there, it
 * looks away for the last seconds, and only who is seen then counts.
 */
export class ViewerDemand {
  readonly #components: Pick<BalancerComponents, "hub" | "clock">;
  readonly #idleMs: number;
  readonly #jobs: JobBook;
  /** What the agent may look at has changed. */
  readonly #onEdges: (stream: Hex) => void;
  readonly #demands = new Map<Hex, Demand>();

  constructor(
    components: Pick<BalancerComponents, "hub" | "clock">,
    parts: { readonly idleMs: number; readonly jobs: JobBook; readonly onEdges: (stream: Hex) => void },
  ) {
    this.#components = components;
    this.#idleMs = parts.idleMs;
    this.#jobs = parts.jobs;
    this.#onEdges = parts.onEdges;
  }

  /** Somebody wants it now. */
  want(stream: Hex): void {
    const wasAway = this.isAgentAway(stream);
    this.#demands.set(stream, { untilMs: this.#components.clock.nowMs() + this.#idleMs, awaySinceMs: undefined });
    if (wasAway) this.#onEdges(stream);
  }

  /** Whether anybody asked for it, or was seen, not too long ago. */
  knows(stream: Hex): boolean {
    return this.#demands.has(stream);
  }

  isAgentAway(stream: Hex): boolean {
    return this.#demands.get(stream)?.awaySinceMs !== undefined;
  }

  /** Whether somebody wants it still; looks at what edges said last. */
  isWanted(stream: StreamRow): boolean {
    const { clock } = this.#components;
    const demand = this.#demands.get(stream.id);
    if (demand === undefined) return false;
    const nowMs = clock.nowMs();
    const isUncounted = demand.awaySinceMs !== undefined && nowMs - demand.awaySinceMs >= COUNTED_MS;
    if (this.#countViewers(stream, isUncounted) > 0) {
      this.want(stream.id);
      return true;
    }
    if (nowMs >= demand.untilMs) {
      this.#demands.delete(stream.id);
      return false;
    }
    if (demand.awaySinceMs === undefined && demand.untilMs - nowMs <= LOOK_AWAY_MS) {
      demand.awaySinceMs = nowMs;
      this.#onEdges(stream.id);
    }
    return true;
  }

  /** Of all others nothing is remembered: they are over. */
  retain(streams: ReadonlySet<Hex>): void {
    for (const stream of this.#demands.keys()) if (!streams.has(stream)) this.#demands.delete(stream);
  }

  #countViewers({ id, buyer }: StreamRow, isAgentUncounted: boolean): number {
    const { hub } = this.#components;
    const agents = !isAgentUncounted && hub.nodes.has(buyer) ? 1 : 0;
    return this.#jobs.ofStream(id).reduce((sum, live) => {
      if (live.row.primitive !== "delivery" || !isRunning(live)) return sum;
      const told = hub.nodes.get(live.attempt.node)?.heartbeat?.jobs.find(({ job }) => job === live.row.id);
      return sum + Math.max(0, (told?.viewers ?? 0) - agents);
    }, 0);
  }
}
