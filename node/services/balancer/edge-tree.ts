import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec, JobSpec, Origin } from "@leat/sdk/protocol/job.ts";
import type { SelectionParameters } from "@leat/sdk/selection/parameters.ts";
import { chooseParents, type ParentChoice, type StreamHolder } from "@leat/sdk/selection/parents.ts";
import { Mutex } from "../../kernel/mutex.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";
import type { NodeRequest } from "../../wire/session/messages.ts";
import { BalancerError } from "./errors.ts";
import { isRunning, type JobBook, type LiveJob, type RunningLive } from "./job-book.ts";
import type { BalancerComponents } from "./ports.ts";

export interface EdgeTreeParts {
  readonly jobs: JobBook;
  readonly tasks: TaskGroup;
  readonly fanOut: number;
  readonly parameters: SelectionParameters;
}

type EdgeLive = LiveJob & { readonly row: { readonly spec: DeliverySpec } };

interface Refused {
  readonly code: string;
  readonly atMs: number;
}

/** An edge that did not serve another one may do so later: its machine was busy, or it had no room. */
const REFUSED_MS = 60_000;

/**
 * From whom every edge of a stream has it: a tree below the origin, in which no node feeds more than it should. An edge
 * leaves a parent that fails by itself; here it gets the next ones. An edge never goes further from the origin than it
 * was, and is at its new place once it has confirmed it: so lists that nodes hold meanwhile make no circle either.
 */
export class EdgeTree {
  readonly #components: Pick<BalancerComponents, "hub" | "chain" | "clock" | "logger">;
  readonly #parts: EdgeTreeParts;
  readonly #mutexes = new Map<Hex, Mutex>();
  /** Who did not serve a job's edge. */
  readonly #refused = new Map<Hex, Map<Address, Refused>>();
  /** From whom a job's edge said that it has the stream. */
  readonly #holders = new Map<Hex, Address>();

  constructor(components: Pick<BalancerComponents, "hub" | "chain" | "clock" | "logger">, parts: EdgeTreeParts) {
    this.#components = components;
    this.#parts = parts;
  }

  /** What a node is told with its job: an edge also, whom it asks. */
  place(live: LiveJob, node: Address): JobSpec {
    if (!isEdge(live)) return live.row.spec;
    this.#refused.delete(live.row.id);
    this.#holders.delete(live.row.id);
    const choice = this.#choose(live, node, {});
    this.#log(live, node, choice);
    return this.#specOf(live.row.spec, choice);
  }

  /** An edge told from whom it has its stream, and who failed it. */
  async heard(from: Address, { job, attempt, holder, failed }: NodeRequest<"edge.holder">): Promise<void> {
    const live = this.#parts.jobs.find(job);
    if (live === undefined || !isRunning(live) || !isEdge(live) || live.attempt.attempt !== attempt) return;
    if (live.attempt.node !== from) throw new BalancerError({ code: "JOB_NOT_YOURS", job });
    this.#holders.set(job, holder);
    const refused = this.#refused.get(job) ?? new Map<Address, Refused>();
    this.#refused.set(job, refused);
    const named = live.row.spec.parents ?? [];
    for (const { node, code } of failed) {
      if (!named.some((parent) => parent.node === node)) continue;
      refused.set(node, { code, atMs: this.#components.clock.nowMs() });
      this.#components.logger.warn("Edge was not served", { jobId: job, edge: from, parent: node, code });
    }
    if (failed.length === 0 && holder === firstOf(live.row.spec)) return;
    const { stream } = live.row;
    this.look(stream);
    if (refused.size === 0 || this.#parts.tasks.signal.aborted) return;
    this.#parts.tasks.run(async (signal) => {
      await this.#components.clock.sleep(REFUSED_MS, signal);
      this.look(stream);
    });
  }

  /** An edge of the stream came, went or moved: whoever hangs below one that is gone gets another. */
  look(stream: Hex): void {
    const { tasks } = this.#parts;
    if (tasks.signal.aborted) return;
    let mutex = this.#mutexes.get(stream);
    if (mutex === undefined) {
      mutex = new Mutex();
      this.#mutexes.set(stream, mutex);
    }
    const own = mutex;
    tasks.run(() => own.run(() => this.#reviewAll(stream)));
  }

  async #reviewAll(stream: Hex): Promise<void> {
    const { jobs } = this.#parts;
    // From the origin outwards: who is fed asks who feeds.
    for (const live of this.#edgesOf(stream).sort((left, right) => depthOf(left) - depthOf(right))) {
      if (isRunning(live)) await this.#review(live);
    }
    for (const known of [this.#refused, this.#holders]) {
      for (const job of known.keys()) if (jobs.find(job) === undefined) known.delete(job);
    }
    if (this.#edgesOf(stream).length === 0) this.#mutexes.delete(stream);
  }

  async #review(live: EdgeLive & RunningLive): Promise<void> {
    const { hub, logger } = this.#components;
    const { spec, id } = live.row;
    const { node, job, attempt } = live.attempt;
    const held = this.#holders.get(id) ?? firstOf(spec);
    const depth = depthOf(live);
    const choice = this.#choose(live, node, { depth, held });
    // It keeps its place for when one of those that it was named serves it again.
    if (choice.isLastResort) return;
    const next = this.#specOf(spec, choice);
    const isSame = sameNodes(next.parents, spec.parents) && held === firstOf(next);
    // With nobody nearer to the origin it stays where it is.
    if (isSame || choice.depth > depth || !hub.nodes.has(node)) return;
    this.#log(live, node, choice);
    try {
      await hub.call(node, "job.update", { job, attempt, parents: [...(next.parents ?? [])] });
    } catch (error) {
      if (!isCodedError(error)) throw error;
      logger.debug("Name parents failed", { jobId: id, code: error.code });
      return;
    }
    // Its origin may have moved meanwhile.
    if (isRunning(live) && live.attempt.attempt === attempt) {
      await this.#parts.jobs.change(live, { spec: this.#specOf((live as EdgeLive).row.spec, choice) });
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
    const describe = (holder: Address, depth: number): StreamHolder => {
      const presence = this.#components.hub.nodes.get(holder);
      const rttMs = Math.round(presence?.heartbeat?.rttMs ?? 0);
      return { node: holder, region: presence?.hello.region ?? "", rttMs, depth, feeds: feedsOf(holder) };
    };
    const edges = others
      .filter((other) => this.#components.hub.nodes.has(other.attempt.node))
      .map((other) => describe(other.attempt.node, depthOf(other)));
    const { held, depth } = place;
    return chooseParents(
      {
        node,
        region: this.#components.hub.nodes.get(node)?.hello.region ?? "",
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
    const nowMs = this.#components.clock.nowMs();
    const own = [...(this.#refused.get(job) ?? [])]
      .filter(([, { code, atMs }]) => alters(code) || nowMs - atMs < REFUSED_MS)
      .map(([node]) => node);
    const accusers = new Map<Address, Set<Address | undefined>>();
    for (const other of this.#edgesOf(stream)) {
      for (const [node, { code }] of this.#refused.get(other.row.id) ?? []) {
        if (!alters(code) || other.attempt === undefined) continue;
        const operators = accusers.get(node) ?? new Set();
        accusers.set(node, operators.add(this.#components.chain.operatorOf(other.attempt.node)));
      }
    }
    const known = [...accusers].filter(([, operators]) => operators.size > 1).map(([node]) => node);
    return new Set([...own, ...known]);
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

  #holderOf(live: EdgeLive): Address {
    return this.#holders.get(live.row.id) ?? firstOf(live.row.spec);
  }

  #edgesOf(stream: Hex): EdgeLive[] {
    return this.#parts.jobs.ofStream(stream).filter(isEdge);
  }

  /** Why this one: all that had the stream, with what each of them costs. */
  #log({ row: { id, stream } }: LiveJob, node: Address, { parents, depth, weighed }: ParentChoice): void {
    this.#components.logger.info("Name parents of edge", {
      jobId: id,
      streamId: stream,
      node,
      parents,
      depth,
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

function alters(code: string): boolean {
  return code.startsWith("DELIVERY_PART_") || code.startsWith("STATEMENT_");
}
