import type { Clock } from "@leat/node/kernel/clock.ts";
import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { TARGET_DURATION_S } from "@leat/node/media/boundaries.ts";
import { PART_TARGET_MS } from "@leat/node/media/packager.ts";
import { RemoteError } from "@leat/node/wire/errors.ts";
import type { DescriptionMessage, MediaConnection, SubscribeMessage } from "@leat/node/wire/media/message.ts";
import type { PublishGrant } from "@leat/node/wire/session/messages.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import type { SourceSummary } from "@leat/sdk/protocol/job.ts";
import type { StatementSigner, Statements } from "@leat/sdk/protocol/statements.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { Checking } from "../checking/index.ts";
import type { AssignedJob, JobDesk } from "../jobs/job-desk.ts";
import type { PackSegment } from "../jobs/packed-segment.ts";
import type { JobSession } from "../jobs/ports.ts";
import type { ReceiptBook, Work } from "../jobs/receipt-book.ts";
import { AudioGroups, type StartAudio } from "./audio-groups.ts";
import { serveEdge } from "./edge-link.ts";
import { IngestError } from "./errors.ts";
import { createFamilyTracks, type FamilyTrack } from "./family-track.ts";
import { PublishedLog, type RungSegment } from "./published-log.ts";
import { SourceBuffer } from "./source-buffer.ts";
import { SourceIntake } from "./source-intake.ts";
import { type SourceFacts, SourceSegments } from "./source-segments.ts";
import { TranscodeLink, type TranscodeSource } from "./transcode-link.ts";

export interface OriginComponents {
  readonly session: Pick<JobSession, "call">;
  readonly desk: Pick<JobDesk, "finish" | "mayWork">;
  readonly receipts: ReceiptBook;
  readonly checking: Checking;
  readonly pack: PackSegment;
  readonly startAudio: StartAudio;
  readonly statements: Statements;
  readonly signer: StatementSigner;
  readonly domain: Domain;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface OriginLimits {
  readonly sourceBytes: number;
  readonly sourceMs: number;
  readonly intakeBytes: number;
  readonly keptSegments: number;
  readonly audioWaitMs: number;
  readonly readyWaitMs: number;
  readonly endWaitMs: number;
  readonly lingerMs: number;
  readonly retryMs: number;
  readonly creditWaitMs: number;
}

/** How an origin came to its end; no code when the stream did. */
export interface OriginOutcome {
  readonly code: string | undefined;
}

/** One stream on the node that takes it in: source frames to transcoders, checked segments to edges. */
export class Origin {
  readonly stream: Hex;
  readonly source: SourceIntake;
  readonly #grant: PublishGrant;
  readonly #components: OriginComponents;
  readonly #limits: OriginLimits;
  readonly #buffer: SourceBuffer;
  readonly #audio: AudioGroups;
  readonly #published: PublishedLog;
  readonly #tasks: TaskGroup;
  readonly #facts = new Map<number, SourceFacts>();
  readonly #links = new Map<Hex, TranscodeLink>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<OriginOutcome>();
  #job: AssignedJob;
  #grace: AbortController | undefined;
  #startedAtMs = 0;
  #renditions: readonly RenditionInfo[] = [];
  #tracks: FamilyTrack[] | undefined;
  #receipts: Promise<void> = Promise.resolve();
  #telling: Promise<void> = Promise.resolve();
  #wake: (() => void)[] = [];
  #head: number | null = null;
  #announced = false;
  #creditLostAt: number | undefined;
  #ending = false;
  #stopped: IngestError | undefined;

  constructor(grant: PublishGrant, job: AssignedJob, components: OriginComponents, limits: OriginLimits) {
    this.#grant = grant;
    this.stream = grant.stream;
    this.#job = job;
    this.#components = components;
    this.#limits = limits;
    const { pack, clock, logger, signer, domain } = components;
    const partTargetMs = PART_TARGET_MS;
    this.#tasks = new TaskGroup({
      clock,
      onError: (error) => {
        logger.error("Run origin failed", { error });
        this.stop(new IngestError({ code: "INGEST_STOPPED" }));
      },
    });
    this.#buffer = new SourceBuffer({ maxBytes: limits.sourceBytes, maxMs: limits.sourceMs });
    this.#published = new PublishedLog({ stream: grant.stream, signer, domain, keptSegments: limits.keptSegments });
    this.#audio = new AudioGroups({
      startAudio: components.startAudio,
      pack,
      partTargetMs,
      clock,
      logger,
      onSegment: (segment) => this.#tasks.run(() => this.#publish([segment])),
    });
    const segments = new SourceSegments({
      pack,
      partTargetMs,
      onFacts: (facts) => {
        this.#facts.set(facts.boundary.sequence, facts);
        this.#notify();
      },
      onWork: (work) => this.#receipt(work),
    });
    this.source = new SourceIntake(grant, {
      buffer: this.#buffer,
      segments,
      audio: this.#audio,
      onBoundary: (sequence) => this.#begin(sequence),
    });
  }

  get job(): AssignedJob {
    return this.#job;
  }

  /** Why a publisher may send nothing more. */
  get stopped(): IngestError | undefined {
    return this.#stopped ?? (this.#ending ? new IngestError({ code: "INGEST_STREAM_ENDED" }) : undefined);
  }

  /** The newest segment begun; null before the first. */
  get sequence(): number | null {
    return this.#head;
  }

  get ended(): boolean {
    return this.#ending || this.#stopped !== undefined;
  }

  /** How long ago the newest frame came. */
  get lastFrameAgeMs(): number {
    const { clock } = this.#components;
    return Math.max(0, clock.nowMs() - (this.source.lastArrivalMs ?? this.#startedAtMs));
  }

  /** Runs until the stream is over here; resolves with the reason. */
  async run(): Promise<OriginOutcome> {
    this.#startedAtMs = this.#components.clock.nowMs();
    this.#tasks.every(this.#grant.leaseRenewMs, () => this.#renew());
    const outcome = await this.#over.promise;
    await this.#tasks.close();
    await this.#receipts;
    return outcome;
  }

  /** The publisher came back: what it sends now continues the stream, on a clock of its own. */
  resume(job: AssignedJob): void {
    this.#job = job;
    this.#grace?.abort();
    this.source.reconnect();
  }

  /** The publisher left. Without a goodbye it may come back within its grace. */
  left(clean: boolean): void {
    if (clean) this.end(true);
    if (this.ended) return;
    const grace = new AbortController();
    this.#grace = grace;
    this.#tasks.run(async (signal) => {
      const until = AbortSignal.any([signal, grace.signal]);
      await this.#components.clock.sleep(this.#grant.reconnectGraceMs, until).catch(() => {});
      if (!until.aborted) this.end(false);
    });
  }

  /** The publisher's frames ended for good. */
  end(clean: boolean): void {
    if (this.ended) return;
    this.#ending = true;
    this.#tasks.run((signal) => this.#finish(clean, signal));
  }

  /** Ends at once: what is not published is given up. */
  stop(error: IngestError): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = error;
    this.#audio.kill();
    this.#buffer.close();
    for (const link of this.#links.values()) link.stop(error);
    this.#ready.resolve();
    this.#notify();
    this.#over.resolve({ code: error.code });
  }

  /** Serves one peer until it leaves. */
  async serve(connection: MediaConnection, subscribe: SubscribeMessage): Promise<void> {
    await Promise.race([this.#ready.promise, this.#components.clock.sleep(this.#limits.readyWaitMs)]);
    if (this.#stopped !== undefined || this.#tracks === undefined) {
      const code = this.#stopped?.code ?? "INGEST_STREAM_NOT_READY";
      await connection.send({ type: "refused", code });
      return connection.close();
    }
    if (subscribe.role === "transcode") return this.#serveTranscoder(connection, subscribe);
    const source = {
      published: this.#published,
      description: () => this.#describe(),
      endCode: () => "STREAM_ENDED",
    };
    return serveEdge(connection, subscribe, source, this.#tasks.signal);
  }

  async #serveTranscoder(connection: MediaConnection, subscribe: SubscribeMessage): Promise<void> {
    const { job, attempt } = subscribe.assignment.value;
    const held = this.#links.get(job);
    if (held !== undefined && held.attempt > attempt) {
      await connection.send({ type: "refused", code: "INGEST_ATTEMPT_REPLACED" });
      return connection.close();
    }
    held?.stop(new IngestError({ code: "INGEST_ATTEMPT_REPLACED" }));
    const link = new TranscodeLink(connection, subscribe, this.#asTranscodeSource(), this.#components, this.#limits);
    this.#links.set(job, link);
    try {
      await link.run();
    } catch (error) {
      if (!(error instanceof IngestError) || error.detail.code !== "INGEST_CHECK_FAILED") throw error;
      const { sequence, reason } = error.detail;
      this.#components.logger.warn("Transcoded segment failed its check", { jobId: job, sequence, reason });
      await this.#call(() =>
        this.#components.session.call("job.failed", { job, attempt, code: "CHECK_FAILED", sequence }),
      );
    } finally {
      if (this.#links.get(job) === link) this.#links.delete(job);
    }
  }

  #asTranscodeSource(): TranscodeSource {
    return {
      readFrom: (sequence, signal) => this.#buffer.readFrom(sequence, signal),
      factsOf: (sequence, signal) => this.#factsOf(sequence, signal),
      trackOf: (rung) =>
        this.#tracks?.find(({ renditions }) => renditions.some((rendition) => rendition.rung === rung)),
      isNextGone: (track) => track.next < (this.#buffer.firstSequence ?? 0),
      publish: (track, segments) => this.#publishFamily(track, segments),
      description: () => this.#describe(),
      partTargetMs: PART_TARGET_MS,
    };
  }

  #describe(): DescriptionMessage {
    return {
      type: "description",
      renditions: this.#renditions,
      partTargetMs: PART_TARGET_MS,
      targetDurationS: TARGET_DURATION_S,
      ended: this.#published.closed,
    };
  }

  #begin(sequence: number): void {
    const { desk, clock } = this.#components;
    this.#head = sequence;
    if (!this.#announced) {
      this.#announced = true;
      this.#tasks.run((signal) => this.#announce(signal));
    }
    this.#release();
    if (desk.mayWork(this.#job.job) === "ok") this.#creditLostAt = undefined;
    else this.#creditLostAt ??= clock.nowMs();
    if (this.#creditLostAt === undefined || clock.nowMs() - this.#creditLostAt < this.#limits.creditWaitMs) return;
    desk.finish(this.#job, { code: "CREDIT_EXHAUSTED", sequence });
    this.stop(new IngestError({ code: "INGEST_LEASE_LOST", reason: "CREDIT_EXHAUSTED" }));
  }

  /** Tells the balancer what the source is, and learns what it becomes. Audio may show a little after the picture. */
  async #announce(signal: AbortSignal): Promise<void> {
    const { clock, session } = this.#components;
    if (this.source.audioConfig === undefined) await clock.sleep(this.#limits.audioWaitMs, signal);
    const source = summarize(this.source);
    const answer = await this.#call(() => session.call("source.ready", { stream: this.stream, source }), signal);
    if (answer === undefined) {
      this.stop(new IngestError({ code: "INGEST_LEASE_LOST", reason: "source refused" }));
      return;
    }
    this.#renditions = answer.renditions;
    this.#tracks = createFamilyTracks(answer.renditions, this.#grant.startSequence);
    this.#audio.setRenditions(answer.renditions);
    this.#ready.resolve();
  }

  async #publishFamily(track: FamilyTrack, segments: readonly RungSegment[]): Promise<void> {
    await this.#publish(segments);
    for (const { sequence } of segments) track.published(sequence);
    this.#release();
    this.#notify();
  }

  /** Edges see it first; then the balancer is told, in the same order. */
  async #publish(segments: readonly RungSegment[]): Promise<void> {
    const sequence = segments[0]?.sequence;
    if (sequence === undefined) return;
    await this.#published.publish(segments);
    const rungs = segments.map(({ rung }) => rung);
    const { session, logger } = this.#components;
    this.#telling = this.#telling.then(async () => {
      try {
        await session.call("segment.published", { stream: this.stream, rungs, sequence });
      } catch (error) {
        // Lease renewals carry the newest sequence too.
        logger.debug("Tell published segment failed", { sequence, error });
      }
    });
  }

  #release(): void {
    const first = this.#buffer.firstSequence;
    if (this.#tracks === undefined) return;
    if (first !== undefined) for (const track of this.#tracks) track.skipTo(first);
    const floor = Math.min(...this.#tracks.map(({ next }) => next), this.#head ?? 0);
    this.#buffer.release(floor);
    for (const sequence of this.#facts.keys()) if (sequence < floor) this.#facts.delete(sequence);
  }

  async #factsOf(sequence: number, signal: AbortSignal): Promise<SourceFacts | undefined> {
    while (!signal.aborted && this.#stopped === undefined) {
      const facts = this.#facts.get(sequence);
      if (facts !== undefined || sequence >= this.source.nextSequence || this.#buffer.closed) return facts;
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    return undefined;
  }

  #receipt(work: Work): void {
    const { receipts, logger } = this.#components;
    this.#receipts = this.#receipts.then(async () => {
      try {
        await receipts.issue(this.#job, work);
      } catch (error) {
        logger.error("Issue ingest receipt failed", { sequence: work.sequence, error });
      }
    });
  }

  async #renew(): Promise<void> {
    const { session, logger } = this.#components;
    try {
      await session.call("publish.renew", {
        stream: this.stream,
        lastFrameAgeMs: this.lastFrameAgeMs,
        sequence: this.#head,
        frames: this.source.frames,
      });
    } catch (error) {
      if (error instanceof RemoteError && !this.#ending) {
        logger.warn("Publish lease is lost", { code: error.code });
        this.stop(new IngestError({ code: "INGEST_LEASE_LOST", reason: error.code }));
      }
    }
  }

  async #finish(clean: boolean, signal: AbortSignal): Promise<void> {
    const { clock, session, logger } = this.#components;
    this.source.finish();
    await this.#audio.finish();
    const lastSequence = this.#head;
    let behind = this.#behind();
    let patience = clock.nowMs() + this.#limits.endWaitMs;
    while (behind > 0 && clock.nowMs() < patience) {
      await Promise.race([new Promise<void>((resolve) => this.#wake.push(resolve)), clock.sleep(250, signal)]);
      const now = this.#behind();
      if (now < behind) patience = clock.nowMs() + this.#limits.endWaitMs;
      behind = now;
    }
    if (behind > 0) logger.warn("Stream ended with segments that nobody made", { segments: behind });
    await this.#published.close();
    await this.#telling;
    await this.#receipts;
    const end = { stream: this.stream, clean, lastSequence, frames: this.source.frames };
    await this.#call(() => session.call("publish.end", end), signal);
    this.#components.desk.finish(this.#job);
    // Edges that still read what is kept finish meanwhile, and late ones get the whole end.
    await clock.sleep(this.#limits.lingerMs, signal);
    this.#over.resolve({ code: undefined });
  }

  /** Segments that families have yet to publish. */
  #behind(): number {
    if (this.#head === null) return 0;
    const last = this.#head;
    return (this.#tracks ?? []).reduce((sum, { next }) => sum + Math.max(0, last + 1 - next), 0);
  }

  /** Asks until there is an answer; a refusal is tried a few times, since a balancer that just started may not know yet. */
  async #call<T>(ask: () => Promise<T>, signal: AbortSignal = this.#tasks.signal): Promise<T | undefined> {
    for (let refusals = 0; refusals < 5; ) {
      try {
        return await ask();
      } catch (error) {
        if (!isCodedError(error)) throw error;
        if (error instanceof RemoteError) refusals += 1;
        this.#components.logger.debug("Ask balancer failed", { code: error.code });
        if (refusals < 5) await this.#components.clock.sleep(this.#limits.retryMs, signal);
      }
    }
    return undefined;
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

function summarize(source: SourceIntake): SourceSummary {
  const video = source.videoConfig!;
  const { codec, codecString, width, height } = video;
  const audio = source.audioConfig;
  return {
    video: { codec, codecString, width, height },
    ...(audio === undefined
      ? {}
      : {
          audio: {
            codec: audio.codec,
            codecString: audio.codecString,
            sampleRate: audio.sampleRate,
            channels: audio.channels,
          },
        }),
  };
}
