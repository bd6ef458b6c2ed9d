import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { FeedInfo } from "@leat/sdk/client/actions/streams.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec, JobSpec, Origin } from "@leat/sdk/protocol/job.ts";
import type { SelectionParameters } from "@leat/sdk/selection/parameters.ts";
import { chooseParents, type ParentChoice, type StreamHolder, summarizeParents } from "@leat/sdk/selection/parents.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";
import type { NodeRequest } from "../../wire/session/messages.ts";
import type { NodePresence } from "../session/hub.ts";
import { BalancerError } from "./errors.ts";
import { isRunning, type JobBook, type LiveJob, type RunningLive } from "./job-book.ts";
import { PendingLooks } from "./pending-looks.ts";
import type { BalancerComponents } from "./ports.ts";
import { PARENT_BEHIND, RefusedHolders } from "./refused-holders.ts";
import type { StreamProgress } from "./stream-progress.ts";

export interface EdgeTreeParts {
  readonly jobs: JobBook;
  readonly tasks: TaskGroup;
  readonly progress: Pick<StreamProgress, "isBehind" | "newest">;
  readonly fanOut: number;
  readonly parameters: SelectionParameters;
}

type EdgeLive = LiveJob & { readonly row: { readonly spec: DeliverySpec } };

/** Since when an edge is behind its stream below the same holder. */
interface Behind {
  readonly holder: Address;
  readonly sinceMs: number;
}

/** What an edge that is fed has of the newest segments, or gets within a moment. */
const MAX_BEHIND = 2;
/** Of those that were weighed so many are kept to be shown: there may be hundreds, for each of hundreds of edges. */
const MOST_SHOWN = 8;
/** One that came a moment ago catches up in less. */
const BEHIND_MS = 10_000;

/**
 * From whom every edge of a stream has it: a tree below the origin, in which no node feeds more than it should. An edge
 * leaves a parent that fails by itself; here it gets the next ones. An edge never goes further from the origin than it
 * was, and is at its new place once it has confirmed it: so lists that nodes hold meanwhile make no circle either.
 */
export class EdgeTree {
  readonly #components: Pick<BalancerComponents, "hub" | "chain" | "clock" | "logger">;
  readonly #parts: EdgeTreeParts;
  readonly #looks: PendingLooks;
  readonly #refused = new RefusedHolders();
  /** From whom a job's edge said that it has the stream. */
  readonly #holders = new Map<Hex, Address>();
  /** Whom a job's edge was told to ask since it confirmed whom it asks. */
  readonly #told = new Map<Hex, readonly Address[]>();
  readonly #behind = new Map<Hex, Behind>();
  /** Why a job's edge was told to ask whom it was told. */
  readonly #choices = new Map<Hex, NonNullable<FeedInfo["choice"]>>();

  constructor(components: Pick<BalancerComponents, "hub" | "chain" | "clock" | "logger">, parts: EdgeTreeParts) {
    this.#components = components;
    this.#parts = parts;
    this.#looks = new PendingLooks(components.clock, parts.tasks, (stream) => this.#reviewAll(stream));
  }

  /** What a node is told with its job: an edge also, whom it asks. */
  place(live: LiveJob, node: Address): JobSpec {
    if (!isEdge(live)) return live.row.spec;
    this.#forget(live.row.id);
    const choice = this.#choose(live, node, {});
    this.#note(live, node, choice);
    const { published: _, ...spec } = live.row.spec;
    const published = this.#parts.progress.newest(live.row.stream);
    return this.#specOf(published === undefined ? spec : { ...spec, published }, choice);
  }

  /** Who feeds the edge of a job; undefined where none runs. */
  feedOf(job: Hex): FeedInfo | undefined {
    const live = this.#parts.jobs.find(job);
    if (live === undefined || !isRunning(live) || !isEdge(live)) return undefined;
    const { origin, parents = [] } = live.row.spec;
    return {
      origin: origin.node,
      holder: this.#holderOf(live),
      isConfirmed: this.#holders.has(job),
      parents: parents.map(({ node }) => node),
      depth: depthOf(live),
      choice: this.#choices.get(job) ?? null,
      refused: this.#refused.list(job, this.#components.clock.nowMs()),
    };
  }

  /** An edge told from whom it has its stream, and who failed it. */
  async heard(from: Address, { job, attempt, holder, failed }: NodeRequest<"edge.holder">): Promise<void> {
    const live = this.#parts.jobs.find(job);
    if (live === undefined || !isRunning(live) || !isEdge(live) || live.attempt.attempt !== attempt) return;
    if (live.attempt.node !== from) throw new BalancerError({ code: "JOB_NOT_YOURS", job });
    const { clock, logger } = this.#components;
    const named = this.#namedTo(live);
    if (holder === live.row.spec.origin.node || named.includes(holder)) this.#holders.set(job, holder);
    for (const { node, code } of failed) {
      if (!named.includes(node) || !this.#refused.note(job, node, code, clock.nowMs())) continue;
      logger.warn("Edge was not served", { jobId: job, edge: from, parent: node, code });
    }
    if (failed.length > 0 || holder !== firstOf(live.row.spec)) this.look(live.row.stream);
  }

  /** A node told how far it has its streams: an edge whose stream stands, while its holder is there, gets another. */
  beat({ node, heartbeat }: NodePresence): void {
    const { clock, logger } = this.#components;
    const nowMs = clock.nowMs();
    for (const told of heartbeat?.jobs ?? []) {
      const { job, attempt, sequence, late } = told;
      const live = this.#parts.jobs.find(job);
      if (live === undefined || !isEdge(live) || !isRunning(live)) continue;
      if (live.attempt.node !== node || live.attempt.attempt !== attempt) continue;
      const holder = this.#holderOf(live);
      const isBehind = this.#parts.progress.isBehind(live.row.stream, told, MAX_BEHIND);
      const before = this.#behind.get(job);
      if (!isBehind || holder === live.row.spec.origin.node) this.#behind.delete(job);
      // A holder that lacks it itself has first to be led past its own.
      else if (before?.holder !== holder || this.#isBehind(live.row.stream, holder))
        this.#behind.set(job, { holder, sinceMs: nowMs });
      else if (nowMs - before.sinceMs >= BEHIND_MS) {
        this.#behind.delete(job);
        this.#refused.note(job, holder, PARENT_BEHIND, nowMs);
        logger.warn("Edge is behind its stream", { jobId: job, edge: node, parent: holder, sequence, late });
        this.look(live.row.stream);
      }
    }
  }

  /** Whether a node that is an edge of the stream stands behind a holder of its own. */
  #isBehind(stream: Hex, node: Address): boolean {
    return this.#edgesOf(stream).some((edge) => edge.attempt?.node === node && this.#behind.has(edge.row.id));
  }

  /** An edge of the stream came, went or moved: whoever hangs below one that is gone gets another. */
  look(stream: Hex): void {
    this.#looks.now(stream);
  }

  async #reviewAll(stream: Hex): Promise<void> {
    const { jobs } = this.#parts;
    // From the origin outwards: who is fed asks who feeds.
    for (const live of this.#edgesOf(stream).sort((left, right) => depthOf(left) - depthOf(right))) {
      if (isRunning(live)) await this.#review(live);
    }
    this.#refused.keepOnly((job) => jobs.find(job) !== undefined);
    for (const known of [this.#holders, this.#told, this.#behind, this.#choices]) {
      for (const job of known.keys()) if (jobs.find(job) === undefined) known.delete(job);
    }
    const open = this.#edgesOf(stream).map(({ row }) => row.id);
    const nextMs = this.#refused.nextMs(open, this.#components.clock.nowMs());
    if (nextMs !== undefined) this.#looks.at(stream, nextMs);
  }

  async #review(live: EdgeLive & RunningLive): Promise<void> {
    const { hub, logger } = this.#components;
    const { spec, id } = live.row;
    const { node, job, attempt } = live.attempt;
    const held = this.#holders.get(id) ?? firstOf(spec);
    const depth = depthOf(live);
    const choice = this.#choose(live, node, { depth, held });
    // It keeps its place for when one of those that it was named serves it again, unless it hangs at one that does not.
    const isLeft = choice.weighed.some((holder) => holder.node === held && holder.fault === "REFUSED");
    if (choice.isLastResort && !isLeft) return;
    const move = (from: DeliverySpec) => ({ ...this.#specOf(from, choice), ...(choice.isLastResort ? { depth } : {}) });
    const next = move(spec);
    const isSame = sameNodes(next.parents, spec.parents) && held === firstOf(next);
    if (isSame) this.#keep(id, choice);
    // With nobody nearer to the origin it stays where it is.
    if (isSame || choice.depth > depth || !hub.nodes.has(node)) return;
    // It may hold them already when its answer is lost.
    this.#told.set(
      id,
      (next.parents ?? []).map((parent) => parent.node),
    );
    this.#note(live, node, choice);
    try {
      await hub.call(node, "job.update", { job, attempt, parents: [...(next.parents ?? [])] });
    } catch (error) {
      if (!isCodedError(error)) throw error;
      logger.debug("Name parents failed", { jobId: id, code: error.code });
      return;
    }
    // Its origin may have moved meanwhile.
    if (isRunning(live) && live.attempt.attempt === attempt) {
      await this.#parts.jobs.changeSpec(live, (now) => move(now as DeliverySpec));
      this.#told.delete(id);
    }
  }

  #choose(live: EdgeLive, node: Address, place: { readonly depth?: number; readonly held?: Address | undefined }) {
    const { spec, id, stream } = live.row;
    const { fanOut, parameters } = this.#parts;
    const others = this.#edgesOf(stream).filter(
      (other): other is EdgeLive & RunningLive => other !== live && isRunning(other),
    );
    const feedsOf = (holder: Address) =>
      others.filter((other) => other.attempt.node !== holder && this.#holderOf(other) === holder).length;
    const locate = (of: Address) => {
      const presence = this.#components.hub.nodes.get(of);
      const rttMs = presence?.heartbeat?.rttMs;
      return { region: presence?.hello.region ?? "", rttMs: rttMs === undefined ? undefined : Math.round(rttMs) };
    };
    const describe = (holder: Address, depth: number, parents: readonly Address[] = []): StreamHolder => {
      return { node: holder, ...locate(holder), depth, feeds: feedsOf(holder), parents };
    };
    const edges = others
      .filter((other) => this.#components.hub.nodes.has(other.attempt.node))
      .map((other) => describe(other.attempt.node, depthOf(other), this.#namedTo(other)));
    const { held, depth } = place;
    return chooseParents(
      {
        node,
        ...locate(node),
        ...(depth === undefined ? {} : { depth }),
        ...(held === undefined ? {} : { held }),
        fanOut,
        refused: this.#refusedBy(id, stream),
      },
      describe(spec.origin.node, 0),
      edges,
      parameters,
    );
  }

  /** Those that failed this edge of late, and those that two other operators' edges say alter the stream. */
  #refusedBy(job: Hex, stream: Hex): Set<Address> {
    const { clock, chain } = this.#components;
    const edges = this.#edgesOf(stream).flatMap(({ row, attempt }) =>
      attempt === undefined ? [] : [{ job: row.id, operator: chain.operatorOf(attempt.node) }],
    );
    return new Set([...this.#refused.of(job, clock.nowMs()), ...this.#refused.condemned(edges)]);
  }

  #specOf(spec: DeliverySpec, { parents, depth }: ParentChoice): DeliverySpec {
    const { parents: _, depth: __, ...rest } = spec;
    if (parents.length === 0) return rest;
    const describe = (node: Address): Origin => ({
      node,
      multiaddrs: this.#components.hub.nodes.get(node)?.hello.multiaddrs ?? [],
    });
    return { ...rest, parents: parents.map(describe), depth };
  }

  #forget(job: Hex): void {
    this.#refused.forget(job);
    for (const known of [this.#holders, this.#told, this.#behind, this.#choices]) known.delete(job);
  }

  /** Whom an edge may ask before the origin, as it confirmed or as it was told since. */
  #namedTo({ row: { id, spec } }: EdgeLive): Address[] {
    return [...(spec.parents ?? []).map(({ node }) => node), ...(this.#told.get(id) ?? [])];
  }

  #holderOf(live: EdgeLive): Address {
    return this.#holders.get(live.row.id) ?? firstOf(live.row.spec);
  }

  #edgesOf(stream: Hex): EdgeLive[] {
    return this.#parts.jobs.ofStream(stream).filter(isEdge);
  }

  #keep(job: Hex, choice: ParentChoice): void {
    this.#choices.set(job, { ...summarizeParents(choice, MOST_SHOWN), chosenAtMs: this.#components.clock.nowMs() });
  }

  /** Why this one: all that had the stream, with what each of them costs. */
  #note({ row: { id, stream } }: LiveJob, node: Address, choice: ParentChoice): void {
    const { parents, depth, reason, weighed } = choice;
    this.#keep(id, choice);
    this.#components.logger.info("Name parents of edge", {
      jobId: id,
      streamId: stream,
      node,
      parents,
      depth,
      reason,
      weighed,
    });
  }
}

function isEdge(live: LiveJob): live is EdgeLive {
  return live.row.spec.primitive === "delivery";
}

function firstOf({ parents, origin }: DeliverySpec): Address {
  return parents?.[0]?.node ?? origin.node;
}

function depthOf({ row: { spec } }: EdgeLive): number {
  return spec.depth ?? 1;
}

function sameNodes(left: readonly Origin[] = [], right: readonly Origin[] = []): boolean {
  return left.length === right.length && left.every(({ node }, index) => node === right[index]!.node);
}
