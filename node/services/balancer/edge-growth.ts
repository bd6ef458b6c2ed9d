import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec } from "@leat/sdk/protocol/job.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import { type EdgeDemand, type EdgeUse, nextEdgeDemand, useOf } from "@leat/sdk/selection/edge-demand.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import { isRunning, type JobBook, type LiveJob, type RunningLive } from "./job-book.ts";
import type { JobKeeper } from "./job-keeper.ts";
import type { BalancerOptions } from "./options.ts";
import type { BalancerComponents } from "./ports.ts";
import type { StreamBook } from "./stream-book.ts";
import type { ViewerCount } from "./viewer-count.ts";
import type { ViewerDemand } from "./viewer-demand.ts";

/** Every stream that is watched has these two. */
export const edgeParts = ["primary", "fallback"] as const;

export interface EdgeGrowthParts {
  readonly streams: StreamBook;
  readonly jobs: JobBook;
  readonly keeper: JobKeeper;
  readonly tasks: TaskGroup;
  /** Who watches, or asked where it plays, for so long as edges stay. */
  readonly demand: ViewerDemand;
  /** What an edge of the stream is given to do; undefined while it has no origin. */
  readonly specOf: (stream: StreamRow) => DeliverySpec | undefined;
  readonly viewers: Pick<ViewerCount, "at">;
}

/** How often it is looked how many edges streams need. */
const LOOK_MS = 1_000;
/** Viewers go to the first edge until it is busier than the next by so much of what it can do, thousandths. */
const SPREAD_PERMILLE = 100;

/**
 * Streams that are watched by more than two edges can serve get more of them, and fewer when the viewers have left; none
 * when nobody has watched for long.
 */
export class EdgeGrowth {
  readonly #components: Pick<BalancerComponents, "hub" | "clock" | "logger">;
  readonly #options: BalancerOptions;
  readonly #parts: EdgeGrowthParts;
  readonly #demands = new Map<Hex, EdgeDemand>();
  /** Edges that viewers are shown no more, and since when nobody watches there. */
  readonly #spare = new Map<Hex, { emptySinceMs: number | undefined }>();
  /** Viewers that an edge was named to since its node last told how many it has. */
  readonly #named = new Map<Hex, { atMs: number; viewers: number }>();
  readonly #busy = new Set<Hex>();

  constructor(
    components: Pick<BalancerComponents, "hub" | "clock" | "logger">,
    options: BalancerOptions,
    parts: EdgeGrowthParts,
  ) {
    this.#components = components;
    this.#options = options;
    this.#parts = parts;
  }

  start(): void {
    this.#parts.tasks.every(LOOK_MS, () => this.look());
  }

  /** Decides anew for each stream that has edges. */
  look(): void {
    const { jobs, streams, tasks, demand } = this.#parts;
    const edges = jobs.all().filter(({ row }) => row.primitive === "delivery");
    const watched = Map.groupBy(edges, ({ row }) => row.stream);
    for (const stream of this.#demands.keys()) if (!watched.has(stream)) this.#demands.delete(stream);
    demand.retain(new Set(streams.open().map(({ id }) => id)));
    for (const known of [this.#spare, this.#named]) {
      for (const job of known.keys()) if (jobs.find(job) === undefined) known.delete(job);
    }
    for (const [id, all] of watched) {
      if (this.#busy.has(id) || tasks.signal.aborted) continue;
      this.#busy.add(id);
      tasks.run(async () => {
        try {
          const stream = await streams.find(id);
          if (stream !== undefined && stream.state !== "ended") await this.#decide(stream, all);
        } finally {
          this.#busy.delete(id);
        }
      });
    }
  }

  /** Somebody asked where it plays. */
  wanted({ id, state }: StreamRow): void {
    if (state === "live") this.#parts.demand.want(id);
  }

  /** The two edges that a viewer who comes now is sent to: of those that are about as busy, the older one first. */
  choose(stream: StreamRow): LiveJob[] {
    const open = this.#runningOf(stream.id).filter((live) => !this.#spare.has(live.row.id));
    const stepOf = (live: RunningLive) => Math.floor(this.#useOf(stream, live) / SPREAD_PERMILLE);
    const weighed = open.map((live) => ({ live, step: stepOf(live) }));
    weighed.sort((left, right) => left.step - right.step || rankOf(left.live) - rankOf(right.live));
    const chosen = weighed.slice(0, edgeParts.length).map(({ live }) => live);
    const [first] = chosen;
    if (first !== undefined) this.#noteNamed(first);
    return chosen;
  }

  async #decide(stream: StreamRow, all: readonly LiveJob[]): Promise<void> {
    const { clock, logger } = this.#components;
    const { edgesPerStream, edgeCalmMs, edgeSettleMs } = this.#options;
    if (!this.#isWanted(stream)) return this.#endUnwatched(stream);
    const kept = all.filter(({ row }) => !this.#spare.has(row.id));
    const before = this.#demands.get(stream.id) ?? { edges: Math.max(edgeParts.length, kept.length) };
    const running = kept.filter(isRunning).map((live) => this.#readUse(stream, live));
    const rules = {
      fewest: edgeParts.length,
      most: edgesPerStream,
      viewerBytesPerSecond: viewerBytesPerSecond(stream.renditions ?? []),
      calmMs: edgeCalmMs,
      settleMs: edgeSettleMs,
    };
    const demand = nextEdgeDemand(before, running, rules, clock.nowMs());
    this.#demands.set(stream.id, demand);
    if (demand.reason !== undefined && demand.edges !== before.edges) {
      const { edges, reason } = demand;
      logger.info("Change number of edges", { streamId: stream.id, edges, reason, running });
    }
    const surplus = kept
      .filter(isSurplus)
      .sort((left, right) => this.#worthOf(stream, left) - this.#worthOf(stream, right));
    if (kept.length > demand.edges && surplus[0] !== undefined)
      this.#spare.set(surplus[0].row.id, { emptySinceMs: undefined });
    if (kept.length < demand.edges && kept.length >= edgeParts.length) await this.#add(stream, all);
    await this.#endEmpty(stream, all);
  }

  /** Edges that were there before this balancer was stay as long as others; and what is sent on is sent by an edge. */
  #isWanted(stream: StreamRow): boolean {
    const { demand } = this.#parts;
    if (!this.#demands.has(stream.id) || stream.targets.length > 0) demand.want(stream.id);
    return demand.isWanted(stream);
  }

  /** Whoever comes has edges placed anew. */
  async #endUnwatched(stream: StreamRow): Promise<void> {
    const { streams, jobs, keeper, demand } = this.#parts;
    const { id } = stream;
    this.#components.logger.info("End edges that nobody watches at", { streamId: id });
    const telling: (() => Promise<void>)[] = [];
    await streams.exclusively(id, async () => {
      // It may be sent on by now.
      if ((await streams.find(id))?.targets.length !== 0) return;
      for (const live of jobs.ofStream(id)) {
        // Somebody asked for it meanwhile.
        if (demand.knows(id)) return;
        if (live.row.primitive === "delivery") telling.push(await keeper.letGo(live, "EDGE_UNWATCHED"));
      }
    });
    await Promise.all(telling.map((tell) => tell()));
  }

  /** One that is spare already comes first: it has the stream. */
  async #add(stream: StreamRow, all: readonly LiveJob[]): Promise<void> {
    const { streams, jobs, keeper, specOf } = this.#parts;
    const spare = all.find(({ row }) => this.#spare.has(row.id));
    if (spare !== undefined) {
      this.#spare.delete(spare.row.id);
      return;
    }
    const taken = new Set(all.map(({ row }) => row.part));
    let number = edgeParts.length + 1;
    while (taken.has(partOf(number))) number += 1;
    const live = await streams.exclusively(stream.id, async () => {
      const spec = specOf(stream);
      if (spec === undefined || (await streams.find(stream.id))?.state === "ended") return undefined;
      return jobs.create(stream.id, partOf(number), spec, this.#components.clock.nowMs());
    });
    if (live !== undefined) keeper.keep(live);
  }

  async #endEmpty(stream: StreamRow, all: readonly LiveJob[]): Promise<void> {
    const nowMs = this.#components.clock.nowMs();
    for (const live of all) {
      const spare = this.#spare.get(live.row.id);
      // It may have ended meanwhile, with its stream.
      if (spare === undefined || this.#parts.jobs.find(live.row.id) !== live) continue;
      if (isRunning(live) && this.#parts.viewers.at(stream, live) > 0) spare.emptySinceMs = undefined;
      else spare.emptySinceMs ??= nowMs;
      const isOver = spare.emptySinceMs !== undefined && nowMs - spare.emptySinceMs >= this.#options.edgeSettleMs;
      if (isOver || !isRunning(live)) await this.#parts.keeper.retire(live, "EDGE_SPARE");
    }
  }

  /** Those with the fewest viewers go first; one that nobody does yet, before them. */
  #worthOf(stream: StreamRow, live: LiveJob): number {
    return isRunning(live) ? this.#parts.viewers.at(stream, live) : -1;
  }

  #runningOf(stream: Hex): RunningLive[] {
    const edges = this.#parts.jobs.ofStream(stream).filter(({ row }) => row.primitive === "delivery");
    return edges.filter(isRunning);
  }

  #useOf(stream: StreamRow, live: RunningLive): number {
    const use = this.#readUse(stream, live);
    const { atMs, viewers } = this.#named.get(live.row.id) ?? { atMs: 0, viewers: 0 };
    const isUntold = atMs === (this.#components.hub.nodes.get(live.attempt.node)?.heartbeatAtMs ?? 0);
    const expected = { ...use, viewers: use.viewers + (isUntold ? viewers : 0) };
    return useOf(expected, viewerBytesPerSecond(stream.renditions ?? []));
  }

  #readUse(stream: StreamRow, live: RunningLive): EdgeUse {
    const heartbeat = this.#components.hub.nodes.get(live.attempt.node)?.heartbeat;
    return {
      viewers: this.#parts.viewers.at(stream, live),
      loadPermille: Math.round((heartbeat?.load ?? 0) * 1_000),
      // A node that was given the job and has not told yet has room.
      bytesPerSecond: heartbeat?.capacity.deliveryBytesPerSecond.total ?? Number.MAX_SAFE_INTEGER,
    };
  }

  #noteNamed({ row, attempt }: LiveJob): void {
    const atMs = this.#components.hub.nodes.get(attempt!.node)?.heartbeatAtMs ?? 0;
    const known = this.#named.get(row.id);
    this.#named.set(row.id, { atMs, viewers: (known?.atMs === atMs ? known.viewers : 0) + 1 });
  }
}

/** A viewer takes one picture and one sound: the largest of each, at most. */
function viewerBytesPerSecond(renditions: readonly RenditionInfo[]): number {
  const largest = (kind: RenditionInfo["kind"]) =>
    Math.max(0, ...renditions.filter((info) => info.kind === kind).map(({ bitrate }) => bitrate));
  return Math.ceil((largest("video") + largest("audio")) / 8);
}

function isSurplus({ row }: LiveJob): boolean {
  return !(edgeParts as readonly string[]).includes(row.part);
}

function partOf(number: number): string {
  return `edge-${number}`;
}

function rankOf({ row }: LiveJob): number {
  const known = (edgeParts as readonly string[]).indexOf(row.part);
  return known < 0 ? Number(row.part.slice("edge-".length)) : known;
}
