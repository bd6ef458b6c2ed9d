import { GONE_AFTER_MS } from "../../media-io/hls/audience.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import { isRunning, type JobBook, type LiveJob, type RunningLive } from "./job-book.ts";
import type { BalancerComponents } from "./ports.ts";

/** An agent that looks away is counted for so long, and its last look may take a moment. */
const COUNTED_MS = GONE_AFTER_MS + 3_000;

export interface ViewerCountParts {
  readonly jobs: Pick<JobBook, "ofStream">;
  /** Whether the buyer's agent, which looks at edges as a viewer does, looks at this one. */
  readonly isAgentAt: (stream: StreamRow, live: LiveJob) => boolean;
}

/** How many watch, as edges told last, without the buyer's agent: that is counted like any viewer, by edges that cannot tell it from one. */
export class ViewerCount {
  readonly #components: Pick<BalancerComponents, "hub" | "clock">;
  readonly #parts: ViewerCountParts;
  /** When the agent was last known to look at an edge. */
  readonly #lookedAtMs = new WeakMap<LiveJob, number>();

  constructor(components: Pick<BalancerComponents, "hub" | "clock">, parts: ViewerCountParts) {
    this.#components = components;
    this.#parts = parts;
  }

  /** At one edge. To be asked every second or so: when the agent has left is known by that. */
  at(stream: StreamRow, live: RunningLive): number {
    const { hub } = this.#components;
    const told = hub.nodes.get(live.attempt.node)?.heartbeat?.jobs.find(({ job }) => job === live.row.id);
    return Math.max(0, (told?.viewers ?? 0) - (this.#isAgentCounted(stream, live) ? 1 : 0));
  }

  /** At all edges of the stream. */
  of(stream: StreamRow): number {
    const edges = this.#parts.jobs.ofStream(stream.id).filter(({ row }) => row.primitive === "delivery");
    return edges.filter(isRunning).reduce((sum, live) => sum + this.at(stream, live), 0);
  }

  #isAgentCounted(stream: StreamRow, live: RunningLive): boolean {
    const nowMs = this.#components.clock.nowMs();
    if (this.#parts.isAgentAt(stream, live)) {
      this.#lookedAtMs.set(live, nowMs);
      return true;
    }
    return nowMs - (this.#lookedAtMs.get(live) ?? Number.NEGATIVE_INFINITY) < COUNTED_MS;
  }
}
