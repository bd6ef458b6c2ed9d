import { isBadWork } from "@leat/sdk/protocol/bad-work.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec, Origin, TranscodeSpec } from "@leat/sdk/protocol/job.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";
import type { AttemptRow } from "../../store/sql/job-store.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import type { NodePresence } from "../session/hub.ts";
import type { AudienceBook } from "./audience-book.ts";
import { type EdgeOrigins, isSameOrigin } from "./edge-origins.ts";
import { BalancerError } from "./errors.ts";
import { isRunning, type JobBook, type LiveJob, type RunningLive } from "./job-book.ts";
import { type Avoided, JobPlacer } from "./job-placer.ts";
import type { BalancerOptions } from "./options.ts";
import type { PlaceNews } from "./place-waits.ts";
import type { Placement } from "./placement.ts";
import type { PlaybackDesk } from "./playback.ts";
import type { BalancerComponents } from "./ports.ts";
import type { Refusals } from "./refusals.ts";
import type { StreamBook } from "./stream-book.ts";
import type { StreamProgress } from "./stream-progress.ts";

export interface JobKeeperParts {
  readonly jobs: JobBook;
  readonly streams: StreamBook;
  readonly progress: StreamProgress;
  readonly placement: Placement;
  readonly tasks: TaskGroup;
  /** An edge of the stream came, went or moved. */
  readonly onEdges: (stream: Hex) => void;
  readonly playback: PlaybackDesk;
  readonly origins: EdgeOrigins;
  /** Told of what may let a job be placed that nobody does. */
  readonly news: PlaceNews;
  readonly refusals: Refusals;
  readonly audiences: Pick<AudienceBook, "ended">;
}

/** Keeps every job of every running stream on a node, and ends them when their stream does. */
export class JobKeeper {
  readonly #components: BalancerComponents;
  readonly #options: BalancerOptions;
  readonly #parts: JobKeeperParts;
  readonly #placer: JobPlacer;
  readonly #progress: StreamProgress;
  /** Attempts that are being ended: an origin tells of bad work in two ways at once. */
  readonly #ending = new Set<string>();

  constructor(components: BalancerComponents, options: BalancerOptions, parts: JobKeeperParts) {
    this.#components = components;
    this.#options = options;
    this.#parts = parts;
    this.#progress = parts.progress;
    const tellEnd = (attempt: AttemptRow, code: string) => this.#tell(attempt, code);
    this.#placer = new JobPlacer(components, options, { ...parts, tellEnd });
  }

  /** After a start: nodes get time to find the balancer again before their jobs are given to others. */
  start(): void {
    const { jobs, tasks } = this.#parts;
    tasks.run(async (signal) => {
      await this.#components.clock.sleep(this.#options.startGraceMs, signal);
      for (const live of jobs.all()) {
        if (live.row.primitive === "ingest") continue;
        if (!isRunning(live)) this.keep(live);
        else if (!this.#components.hub.nodes.has(live.attempt.node)) {
          await this.fail(live.row.id, live.attempt.attempt, "NODE_LOST");
        }
      }
    });
  }

  /** Places a job that nobody does, and goes on trying until somebody does or the stream is over. */
  keep(live: LiveJob, avoid?: Avoided): void {
    this.#placer.keep(live, avoid);
  }

  /** Work that is done is mostly the last of its stream, of whose end we are about to hear. */
  #keepLater(live: LiveJob): void {
    const { tasks } = this.#parts;
    if (tasks.signal.aborted) return;
    tasks.run(async (signal) => {
      await this.#components.clock.sleep(this.#options.placeRetryMs, signal);
      this.keep(live);
    });
  }

  /** Resolves with whether the job runs after one try; for a viewer who waits. */
  placeNow(stream: StreamRow, live: LiveJob): Promise<boolean> {
    return this.#placer.placeNow(stream, live);
  }

  /** The chain says that the buyer may promise more. */
  funded(buyer: Address): void {
    this.#placer.funded(buyer);
  }

  /** The origin told what it has published of each rung. */
  heard(stream: Hex, published: readonly { readonly rung: number; readonly sequence: number }[]): void {
    if (this.#progress.heard(stream, published)) this.#parts.news.tell();
  }

  /** The first segment of a transcode job that is not published, as far as its origin told. */
  nextSequence(live: LiveJob): Promise<number> {
    return this.#progress.nextSequence(live);
  }

  /** A publisher sends, perhaps again. */
  sourceBegan(stream: Hex): void {
    this.#progress.sourceBegan(stream);
  }

  sourceEnded(stream: Hex, lastSequence: number): void {
    this.#progress.sourceEnded(stream, lastSequence);
  }

  /** A segment of these rungs is published. */
  published(stream: Hex, rungs: readonly number[], sequence: number): void {
    for (const rung of rungs) this.#progress.note(stream, rung, sequence);
  }

  /** Ends an attempt that went wrong; its job goes on elsewhere from the first segment that nobody published. */
  async fail(job: Hex, attempt: number, code: string): Promise<void> {
    const { jobs } = this.#parts;
    const { logger } = this.#components;
    const live = jobs.find(job);
    const key = `${job} ${attempt}`;
    if (live === undefined || !isRunning(live) || live.attempt.attempt !== attempt || this.#ending.has(key)) return;
    const { node } = live.attempt;
    logger.warn("End attempt", { jobId: job, attempt, node, code });
    this.#ending.add(key);
    try {
      await this.#fail(live, code);
    } finally {
      this.#ending.delete(key);
    }
    // A node that hangs must not hold up the one that takes over.
    const told = this.#tell(live.attempt, code);
    if (live.row.primitive === "delivery") this.#parts.onEdges(live.row.stream);
    if (live.row.primitive !== "ingest") this.keep(live, { node, reason: code });
    await told;
  }

  async #fail(live: RunningLive, code: string): Promise<void> {
    const { jobs } = this.#parts;
    const { payer, payee, clock } = this.#components;
    const { job, attempt, node } = live.attempt;
    const endSequence = live.row.primitive === "transcode" ? await this.#progress.nextSequence(live) : null;
    const end = { state: "failed", endSequence, endedAtMs: clock.nowMs(), endCode: code } as const;
    const isBad = isBadWork(code);
    // Before the job waits for a node: a viewer who asks in that moment would bring it back to who lied.
    if (isBad) await this.#excludeLiar(live, node, code);
    if (!(await jobs.endAttempt(live, live.attempt, end))) return;
    // What an edge served is not checked before it passes: of one that lied nobody pays what is not vouchered yet.
    const passedToo = live.row.primitive === "delivery";
    if (isBad) await payer.forfeit(job, attempt, { passedToo });
    else await payer.release(job, attempt);
    await payee.closeJob(job, attempt, { forfeit: isBad, passedToo });
  }

  /** Who lied in one of a stream's jobs gets none of its like: the other edge, the other family. */
  async #excludeLiar({ row }: LiveJob, node: Address, code: string): Promise<void> {
    const { jobs } = this.#parts;
    for (const other of jobs.ofStream(row.stream)) {
      if (other.row.primitive === row.primitive) await jobs.exclude(other, node, code);
    }
  }

  /** The node ended the job by itself. */
  async done(from: Address, job: Hex, attempt: number): Promise<void> {
    const { jobs } = this.#parts;
    const live = jobs.find(job);
    if (live === undefined || !isRunning(live) || live.attempt.attempt !== attempt) return;
    if (this.#ending.has(`${job} ${attempt}`)) return;
    if (live.attempt.node !== from) throw new BalancerError({ code: "JOB_NOT_YOURS", job });
    if (live.row.primitive !== "delivery") {
      await this.#close(live, "JOB_DONE");
      if (live.row.primitive === "transcode") this.#keepLater(live);
      return;
    }
    await this.#end(live, "JOB_DONE");
    this.#parts.onEdges(live.row.stream);
  }

  /** Nobody needs the job any more, though its stream goes on. Resolves when its node was told. */
  async retire(live: LiveJob, code: string): Promise<void> {
    await (await this.letGo(live, code))();
  }

  /** The same, of which the telling is left to do: a node that hangs holds nobody up. Nothing where the job is over. */
  async letGo(live: LiveJob, code: string): Promise<() => Promise<void>> {
    const { refusals, onEdges, jobs } = this.#parts;
    if (jobs.find(live.row.id) !== live) return async () => {};
    const ran = await this.#end(live, code);
    refusals.placed(live.row.stream, live.row.part);
    this.#parts.news.tell(live.row.id);
    onEdges(live.row.stream);
    return async () => {
      if (ran !== undefined) await this.#tell(ran, code);
    };
  }

  /** Takes over what the node is still doing, stops what it should not, and moves what it forgot. */
  async joined({ node, hello, joinedAtMs }: NodePresence): Promise<void> {
    const { jobs } = this.#parts;
    const reported = new Map(hello.jobs.map((entry) => [entry.job, entry.attempt]));
    for (const { job, attempt } of hello.jobs) {
      const live = jobs.find(job);
      if (live !== undefined && isRunning(live) && live.attempt.attempt === attempt && live.attempt.node === node) {
        continue;
      }
      const code = live === undefined ? "STREAM_ENDED" : "JOB_REPLACED";
      await this.#tell({ job, attempt, node }, code);
    }
    for (const live of jobs.all()) {
      if (!isRunning(live) || live.attempt.node !== node || live.row.primitive === "ingest") continue;
      if (reported.has(live.row.id) || live.attempt.startedAtMs > joinedAtMs) continue;
      await this.fail(live.row.id, live.attempt.attempt, "NODE_RESTARTED");
    }
    await this.#parts.origins.joined(node);
    await this.#parts.playback.joined(node);
  }

  /** A lost session often comes back; after the grace its jobs move. */
  left(node: Address): void {
    const { tasks, jobs } = this.#parts;
    const { clock, hub } = this.#components;
    if (tasks.signal.aborted) return;
    tasks.run(async (signal) => {
      await clock.sleep(this.#options.sessionGraceMs, signal);
      if (hub.nodes.has(node)) return;
      for (const live of jobs.all()) {
        if (!isRunning(live) || live.attempt.node !== node || live.row.primitive === "ingest") continue;
        await this.fail(live.row.id, live.attempt.attempt, "NODE_LOST");
      }
    });
  }

  /** The stream's frames come from another node now: transcoders begin anew there, edges follow. */
  async moveOrigin(stream: Hex, origin: Origin, startSequence: number): Promise<void> {
    const { jobs } = this.#parts;
    // Edges from the origin outwards: one that is fed gets the stream from another once that one has it.
    for (const live of jobs.ofStream(stream).sort((left, right) => depthOf(left) - depthOf(right))) {
      const { spec } = live.row;
      if (spec.primitive === "ingest" || isAt(spec, origin, startSequence)) continue;
      if (spec.primitive === "transcode") {
        const close = async () => {
          const ran = isRunning(live) ? live.attempt : undefined;
          if (isRunning(live)) await this.#close(live, "JOB_ORIGIN_CHANGED", startSequence);
          return ran;
        };
        const ran = await close();
        await jobs.changeSpec(live, (now) => ({ ...(now as TranscodeSpec), origin, startSequence }));
        // It may have begun meanwhile, as it was.
        const began = await close();
        for (const attempt of [ran, began]) if (attempt !== undefined) await this.#tell(attempt, "JOB_ORIGIN_CHANGED");
        this.keep(live);
        continue;
      }
      await jobs.changeSpec(live, (now) => ({ ...(now as DeliverySpec), origin }));
      await this.#parts.origins.tell(live);
    }
    this.#parts.onEdges(stream);
  }

  /** Ends all jobs of a stream; resolves when the nodes were told and their receipts are on the way. */
  async endStream(stream: Hex, code: string): Promise<void> {
    const { jobs } = this.#parts;
    await Promise.all(
      jobs.ofStream(stream).map(async (live) => {
        const ran = await this.#end(live, code);
        // The ingest node ends its own job when its last segment is out.
        if (ran !== undefined && live.row.primitive !== "ingest") await this.#tell(ran, code);
      }),
    );
    this.#progress.forget(stream);
    this.#parts.news.tell();
    this.#parts.onEdges(stream);
  }

  async #end(live: LiveJob, code: string): Promise<AttemptRow | undefined> {
    const ran = await this.#parts.jobs.end(live, code, this.#components.clock.nowMs());
    if (ran !== undefined) await this.#settle(ran);
    return ran;
  }

  async #close(live: RunningLive, code: string, endSequence: number | null = null): Promise<void> {
    const { attempt } = live;
    const end = { state: "ended", endSequence, endedAtMs: this.#components.clock.nowMs(), endCode: code } as const;
    if (await this.#parts.jobs.endAttempt(live, attempt, end)) await this.#settle(attempt);
  }

  /** What was done of it is paid, now that nothing follows. */
  async #settle({ job, attempt }: AttemptRow): Promise<void> {
    const { payer, payee } = this.#components;
    await payer.release(job, attempt);
    await payee.closeJob(job, attempt, { forfeit: false });
  }

  async #tell({ job, attempt, node }: Pick<AttemptRow, "job" | "attempt" | "node">, code: string): Promise<void> {
    try {
      const { served } = await this.#components.hub.call(node, "job.end", { job, attempt, code });
      if (served !== undefined) this.#parts.audiences.ended({ job, attempt, node }, served);
    } catch (error) {
      this.#components.logger.debug("Tell end of job failed", { jobId: job, error });
    }
  }
}

function depthOf({ row: { spec } }: LiveJob): number {
  return spec.primitive === "delivery" ? (spec.depth ?? 1) : 0;
}

function isAt(spec: TranscodeSpec | DeliverySpec, origin: Origin, startSequence: number): boolean {
  return isSameOrigin(spec.origin, origin) && (spec.primitive === "delivery" || spec.startSequence >= startSequence);
}
