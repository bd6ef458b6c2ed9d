import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Address, Hex } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec, JobSpec, JobTerms, TranscodeSpec } from "@leat/sdk/protocol/job.ts";
import type { TaskGroup } from "../../kernel/task-group.ts";
import { pixelsPerSecond } from "../../metering/usage.ts";
import type { AttemptRow } from "../../store/sql/job-store.ts";
import type { StreamRow } from "../../store/sql/stream-store.ts";
import type { NodePresence } from "../session/hub.ts";
import type { EdgeOrigins } from "./edge-origins.ts";
import { BalancerError } from "./errors.ts";
import { isRunning, type JobBook, type LiveJob } from "./job-book.ts";
import type { BalancerOptions } from "./options.ts";
import { type PlaceNews, PlacePauses } from "./place-waits.ts";
import type { PlaceInput, Placement } from "./placement.ts";
import type { PlaybackDesk } from "./playback.ts";
import type { BalancerComponents } from "./ports.ts";
import type { Refusals } from "./refusals.ts";
import { bytesPerSecond } from "./renditions.ts";
import type { StreamBook } from "./stream-book.ts";
import type { StreamProgress } from "./stream-progress.ts";

export interface JobPlacerParts {
  readonly jobs: JobBook;
  readonly streams: StreamBook;
  readonly placement: Placement;
  readonly progress: StreamProgress;
  readonly news: PlaceNews;
  readonly refusals: Refusals;
  readonly tasks: TaskGroup;
  readonly playback: PlaybackDesk;
  readonly origins: Pick<EdgeOrigins, "taken">;
  /** An edge of the stream came, went or moved. */
  readonly onEdges: (stream: Hex) => void;
  readonly tellEnd: (attempt: AttemptRow, code: string) => Promise<void>;
}

/** Where the source says nothing of its frame rate. */
const USUAL_FPS = 30;

/** An edge publishes nothing: that it served for so long has to do. */
const SERVED_MS = 5_000;

/** A node that is not to be asked at once, and why. */
export interface Avoided {
  readonly node: Address;
  readonly reason: string;
}

/** What came of a job's attempts since the last that did something. */
interface Trouble {
  readonly pauses: PlacePauses;
  /** Since the last pause: each of the others is asked before one of them is again. */
  readonly failed: Avoided[];
}

/** Who was there when a job was tried: who is in session now and not in it may change the outcome. */
type Witnesses = ReadonlyMap<Address, NodePresence | undefined>;

/** Brings jobs that nobody does to nodes, for as long as their stream lives. */
export class JobPlacer {
  readonly #components: BalancerComponents;
  readonly #options: BalancerOptions;
  readonly #parts: JobPlacerParts;
  readonly #placing = new Set<Hex>();
  /** Kept over attempts: nodes that take a job and fail it at once would have it again and again without a pause. */
  readonly #troubles = new WeakMap<LiveJob, Trouble>();
  /** Whose jobs are tried or wait: each until the chain says that its buyer may promise more. */
  readonly #buyers = new Map<LiveJob, Address>();

  constructor(components: BalancerComponents, options: BalancerOptions, parts: JobPlacerParts) {
    this.#components = components;
    this.#options = options;
    this.#parts = parts;
  }

  /**
   * Goes on trying until somebody does the job or the stream is over.
   * @param failed Who failed the newest attempt.
   */
  keep(live: LiveJob, failed?: Avoided): void {
    const { tasks, news } = this.#parts;
    const { id } = live.row;
    if (tasks.signal.aborted) return;
    if (failed !== undefined) this.#note(live, failed);
    // What is asked of it may be something else now: its origin moved.
    if (this.#placing.has(id)) {
      news.tell(id);
      return;
    }
    this.#placing.add(id);
    tasks.run((signal) => this.#keep(live, signal).finally(() => this.#forget(live)));
  }

  /** The chain says that the buyer may promise more: its jobs need not wait out their pauses. */
  funded(buyer: Address): void {
    for (const [live, owner] of this.#buyers) {
      if (owner !== buyer) continue;
      this.#buyers.delete(live);
      this.#parts.news.tell(live.row.id);
    }
  }

  /** Resolves with whether the job runs after one try; for a viewer who waits. */
  async placeNow(stream: StreamRow, live: LiveJob): Promise<boolean> {
    if (isRunning(live)) return true;
    if (this.#placing.has(live.row.id)) {
      this.#troubles.get(live)?.pauses.ask();
      return false;
    }
    this.#placing.add(live.row.id);
    try {
      const terms = await this.#parts.placement.place(await this.#inputOf(stream, live));
      this.#parts.refusals.placed(stream.id, live.row.part);
      await this.#placedEdge(live, terms);
      return true;
    } catch (error) {
      if (!isCodedError(error)) throw error;
      this.#refused(live, error.code);
      this.#components.logger.warn("Place job failed", { jobId: live.row.id, code: error.code });
      return false;
    } finally {
      this.#placing.delete(live.row.id);
    }
  }

  #forget(live: LiveJob): void {
    this.#placing.delete(live.row.id);
    this.#buyers.delete(live);
  }

  async #keep(live: LiveJob, signal: AbortSignal): Promise<void> {
    const { streams, jobs, placement, progress, news } = this.#parts;
    const { logger } = this.#components;
    const { id, primitive, part, stream: streamId } = live.row;
    let told: string | undefined;
    while (!signal.aborted && jobs.find(id) === live && !isRunning(live)) {
      const stream = await streams.find(streamId);
      if (stream === undefined || stream.state === "ended") return;
      if (await progress.isWhole(live)) return;
      if (!this.#hasOrigin(live)) {
        // Nobody could fetch its frames: the next publisher's node brings it back.
        await news.wait(id, this.#options.placeRetryMs, signal);
        continue;
      }
      const { pauses, failed } = this.#troubleOf(live);
      let look: () => Witnesses = () => new Map();
      let before = look();
      let spec = live.row.spec;
      this.#buyers.set(live, stream.buyer);
      try {
        const input = await this.#inputOf(stream, live);
        // Who failed is among them: that it is still there is no help.
        look = () => this.#look(stream, input);
        before = look();
        spec = live.row.spec;
        const terms = await placement.place({ ...input, excluded: [...input.excluded, ...failed] });
        this.#parts.refusals.placed(streamId, part);
        if (primitive === "delivery") await this.#placedEdge(live, terms);
        // The stream may have ended while the node was asked.
        if (jobs.find(id) !== live && live.attempt !== undefined) {
          await this.#parts.tellEnd(live.attempt, "STREAM_ENDED");
        }
      } catch (error) {
        if (!isCodedError(error)) throw error;
        this.#refused(live, error.code);
        // Once per reason: a job may wait for hours.
        const level = error.code === told ? "debug" : "warn";
        told = error.code;
        logger[level]("Place job failed", { jobId: id, primitive, code: error.code });
        // Better a node that failed before than none.
        failed.length = 0;
        const isChanged = () => jobs.find(id) !== live || isAnother(live.row.spec, spec);
        const isFunded = () => error.code === "BUYER_UNFUNDED" && !this.#buyers.has(live);
        const isHelped = () => isChanged() || isFunded() || this.#isAnother(before, look());
        await pauses.next(isHelped, signal);
      }
    }
  }

  /** Of a job that is over nobody asks, and nobody would forget it. */
  #refused({ row }: LiveJob, code: string): void {
    if (this.#parts.jobs.find(row.id) !== undefined) this.#parts.refusals.note(row.stream, row.part, code);
  }

  #note(live: LiveJob, failed: Avoided): void {
    if (didWork(live)) this.#troubles.delete(live);
    this.#troubleOf(live).failed.push(failed);
  }

  #troubleOf(live: LiveJob): Trouble {
    const { clock } = this.#components;
    const { news } = this.#parts;
    const known = this.#troubles.get(live);
    if (known !== undefined) return known;
    const trouble = { pauses: new PlacePauses({ clock, news }, live.row, this.#options.placeRetryMs), failed: [] };
    this.#troubles.set(live, trouble);
    return trouble;
  }

  /** Who could do the job now, and its buyer, without whom nobody may. */
  #look({ buyer }: StreamRow, input: PlaceInput): Witnesses {
    const { nodes } = this.#components.hub;
    return new Map([buyer, ...this.#parts.placement.listFitting(input)].map((node) => [node, nodes.get(node)]));
  }

  #isAnother(before: Witnesses, now: Witnesses): boolean {
    return [...now].some(([node, presence]) => presence !== undefined && before.get(node) !== presence);
  }

  async #placedEdge(live: LiveJob, terms: JobTerms): Promise<void> {
    this.#parts.onEdges(live.row.stream);
    // Either may have changed while the job was on its way.
    await this.#parts.origins.taken(live, terms);
    await this.#parts.playback.tell(live);
  }

  async #inputOf(stream: StreamRow, live: LiveJob): Promise<PlaceInput> {
    const { jobs, progress, playback } = this.#parts;
    const { spec } = live.row;
    const common = { stream, live, firstFrame: 0n, holders: this.#holders(stream.id) };
    if (spec.primitive === "transcode") {
      const next = await progress.nextSequence(live);
      // Its origin may have moved since, and said where to begin.
      await jobs.changeSpec(live, (now) => (now === spec ? { ...spec, startSequence: next } : now));
      const asked = live.row.spec as TranscodeSpec;
      const units = Number(pixelsPerSecond(asked.rungs, asked.source.video?.fps ?? USUAL_FPS));
      const excluded = [{ node: asked.origin.node, reason: "ORIGIN" }];
      return { ...common, spec: asked, units, codecs: [asked.family], startSequence: asked.startSequence, excluded };
    }
    if (spec.primitive !== "delivery") throw new BalancerError({ code: "JOB_UNKNOWN", job: live.row.id });
    await jobs.changeSpec(live, (now) => {
      const { playback: _, ...rest } = now as DeliverySpec;
      return { ...rest, ...playback.specOf(stream) };
    });
    const units = bytesPerSecond(spec.renditions) * this.#options.deliveryViewers;
    const excluded = jobs
      .ofStream(stream.id)
      .filter((other) => other !== live && other.row.primitive === "delivery" && isRunning(other))
      .map((other) => ({ node: other.attempt!.node, reason: "OTHER_EDGE" }));
    return { ...common, spec: live.row.spec, units, codecs: [], startSequence: stream.nextSequence, excluded };
  }

  #hasOrigin({ row: { spec } }: LiveJob): boolean {
    if (spec.primitive === "ingest" || !this.#components.hub.nodes.has(spec.origin.node)) return false;
    // After a restart of this balancer: what the origin has decides whether there is anything left to do.
    return spec.primitive !== "transcode" || this.#parts.progress.wasHeard(spec.stream);
  }

  #holders(stream: Hex): Address[] {
    const running = this.#parts.jobs.ofStream(stream).filter(isRunning);
    return [...new Set(running.map((live) => live.attempt.node))];
  }
}

/** Whether something else is asked now. Whom an edge asks changes with each node that is tried. */
function isAnother(now: JobSpec, before: JobSpec): boolean {
  const isEdge = now.primitive === "delivery" && before.primitive === "delivery";
  return isEdge ? now.origin !== before.origin : now !== before;
}

/** Whether the newest attempt, which is over, brought the stream anything. */
function didWork({ row, attempt }: LiveJob): boolean {
  if (attempt === undefined || attempt.endedAtMs === null) return false;
  if (row.primitive === "transcode") return (attempt.endSequence ?? 0) > attempt.startSequence;
  return attempt.endedAtMs - attempt.startedAtMs >= SERVED_MS;
}
