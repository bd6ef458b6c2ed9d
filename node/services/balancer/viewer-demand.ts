import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import type { BalancerComponents } from "./ports.ts";
import type { ViewerCount } from "./viewer-count.ts";

/** How long before a stream is let go of the buyer's agent is asked to look away. */
const LOOK_AWAY_MS = 20_000;

interface Demand {
  readonly untilMs: number;
  /** The buyer's agent was asked to look away. */
  isAgentAway: boolean;
}

/**
 * Who wants a stream: whoever asked where it plays, and whoever its edges say is watching, until `idleMs` after them. The
 * buyer's agent looks at edges as a viewer does and cannot be told from one; so where nobody but it could be there, it
 * looks away for the last seconds, and only who is seen then counts.
 */
export class ViewerDemand {
  readonly #components: Pick<BalancerComponents, "clock">;
  readonly #idleMs: number;
  readonly #viewers: Pick<ViewerCount, "of">;
  /** What the agent may look at has changed. */
  readonly #onEdges: (stream: Hex) => void;
  readonly #demands = new Map<Hex, Demand>();

  constructor(
    components: Pick<BalancerComponents, "clock">,
    parts: {
      readonly idleMs: number;
      readonly viewers: Pick<ViewerCount, "of">;
      readonly onEdges: (stream: Hex) => void;
    },
  ) {
    this.#components = components;
    this.#idleMs = parts.idleMs;
    this.#viewers = parts.viewers;
    this.#onEdges = parts.onEdges;
  }

  /** Somebody wants it now. */
  want(stream: Hex): void {
    const wasAway = this.isAgentAway(stream);
    this.#demands.set(stream, { untilMs: this.#components.clock.nowMs() + this.#idleMs, isAgentAway: false });
    if (wasAway) this.#onEdges(stream);
  }

  /** Whether anybody asked for it, or was seen, not too long ago. */
  knows(stream: Hex): boolean {
    return this.#demands.has(stream);
  }

  isAgentAway(stream: Hex): boolean {
    return this.#demands.get(stream)?.isAgentAway === true;
  }

  /** Whether somebody wants it still; looks at what edges said last. */
  isWanted(stream: StreamRow): boolean {
    const { clock } = this.#components;
    const demand = this.#demands.get(stream.id);
    if (demand === undefined) return false;
    const nowMs = clock.nowMs();
    if (this.#viewers.of(stream) > 0) {
      this.want(stream.id);
      return true;
    }
    if (nowMs >= demand.untilMs) {
      this.#demands.delete(stream.id);
      return false;
    }
    if (!demand.isAgentAway && demand.untilMs - nowMs <= LOOK_AWAY_MS) {
      demand.isAgentAway = true;
      this.#onEdges(stream.id);
    }
    return true;
  }

  /** Of all others nothing is remembered: they are over. */
  retain(streams: ReadonlySet<Hex>): void {
    for (const stream of this.#demands.keys()) if (!streams.has(stream)) this.#demands.delete(stream);
  }
}
