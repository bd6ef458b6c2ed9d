import { TaskGroup } from "@leat/node/kernel/task-group.ts";
import { TARGET_DURATION_S } from "@leat/node/media/boundaries.ts";
import { FrameRelay, type LiveFrames } from "@leat/node/media/live-frames.ts";
import { partTargetOf } from "@leat/node/media/part-target.ts";
import type { PictureSize, PublishEnd, RungShape } from "@leat/node/media-io/publish-sink.ts";
import type { DescriptionMessage, MediaConnection, SubscribeMessage } from "@leat/node/wire/media/message.ts";
import type { PublishGrant } from "@leat/node/wire/session/messages.ts";
import type { Boundary, SourceVideoCodec } from "@leat/sdk/protocol/frame.ts";
import { healthWindowMs, type SourceHealth } from "@leat/sdk/protocol/health.ts";
import type { Hex } from "@leat/sdk/protocol/hex.ts";
import { type RenditionInfo, SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import { TranscodeError } from "@leat/transcoder/errors.ts";
import { resolveLadder } from "@leat/transcoder/ladder.ts";
import type { AssignedJob } from "../jobs/job-desk.ts";
import type { Work } from "../jobs/receipt-book.ts";
import { AudioGroups } from "./audio-groups.ts";
import { BalancerLine } from "./balancer-line.ts";
import { CueBook } from "./cue-book.ts";
import { EdgeReaders } from "./edge-readers.ts";
import { waitForEdges, waitForFamilies } from "./end-waits.ts";
import { IngestError, lossOf } from "./errors.ts";
import type { OriginComponents, OriginLimits, OriginOutcome } from "./origin-parts.ts";
import { Passthrough } from "./passthrough.ts";
import { PublishedLog } from "./published-log.ts";
import { PublisherPresence } from "./publisher-presence.ts";
import { SourceBuffer } from "./source-buffer.ts";
import { SourceIntake } from "./source-intake.ts";
import { SourceSegments } from "./source-segments.ts";
import { Transcoders } from "./transcoders.ts";
import { Unpublished } from "./unpublished.ts";

/** One stream on the node that takes it in: source frames to transcoders, renditions to edges. */
export class Origin {
  readonly stream: Hex;
  readonly source: SourceIntake;
  readonly #grant: PublishGrant;
  readonly #components: OriginComponents;
  readonly #limits: OriginLimits;
  readonly #buffer: SourceBuffer;
  readonly #audio: AudioGroups;
  readonly #passthrough: Passthrough;
  readonly #cues = new CueBook();
  readonly #published: PublishedLog;
  readonly #tasks: TaskGroup;
  readonly #unpublished: Unpublished;
  readonly #line: BalancerLine;
  readonly #presence: PublisherPresence;
  readonly #edges = new EdgeReaders((rungs) => this.#audio.wish(rungs));
  readonly #transcoders: Transcoders;
  /** The newest published segment per rung. */
  readonly #newest = new Map<number, number>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<OriginOutcome>();
  #job: AssignedJob;
  /** Why what the publisher sent that left was not taken. */
  #refused: string | undefined;
  #startedAtMs = 0;
  #coveredUntilMs = 0;
  #renditions: readonly RenditionInfo[] = [];
  #receipts: Promise<void> = Promise.resolve();
  #announced = false;
  #partTarget: number | undefined;
  #creditLostAt: number | undefined;
  #ending = false;
  #isEndTold = false;
  #stopped: IngestError | undefined;

  constructor(grant: PublishGrant, job: AssignedJob, components: OriginComponents, limits: OriginLimits) {
    this.#grant = grant;
    this.stream = grant.stream;
    this.#job = job;
    this.#components = components;
    this.#limits = limits;
    const { pack, clock, logger, signer, domain } = components;
    const partTargetMs = () => this.#partTargetMs;
    this.#tasks = new TaskGroup({
      clock,
      onError: (error) => {
        logger.error("Run origin failed", { error });
        this.stop(new IngestError({ code: "INGEST_STOPPED" }));
      },
    });
    this.#presence = new PublisherPresence(clock, grant.reconnectGraceMs);
    this.#buffer = new SourceBuffer({ maxBytes: limits.sourceBytes, maxMs: limits.sourceMs });
    this.#unpublished = new Unpublished(this.#buffer, (sequence) => this.#transcoders.isShown(sequence));
    this.#line = new BalancerLine(grant.stream, components, limits.retryMs);
    const { keptSegments, unwatchedSegments } = limits;
    this.#published = new PublishedLog({
      stream: grant.stream,
      signer,
      domain,
      partTargetMs,
      keptSegments,
      unwatchedSegments,
      lag: { clock, maxMs: limits.lagMs },
      frames: new FrameRelay((error) => logger.warn("Follow frames failed", { error })),
      cues: () => this.#cues.newest,
      onFault: (error) => {
        logger.error("Sign published part failed", { error });
        this.stop(new IngestError({ code: "INGEST_STOPPED" }));
      },
    });
    this.#transcoders = new Transcoders({
      components,
      limits,
      buffer: this.#buffer,
      unpublished: this.#unpublished,
      published: this.#published,
      line: this.#line,
      tasks: this.#tasks,
      description: () => this.#describe(),
      partTargetMs,
      tellPublished: (rungs, sequence) => this.#tellPublished(rungs, sequence),
    });
    this.#audio = new AudioGroups({
      startAudio: components.startAudio,
      log: this.#published,
      clock,
      logger,
      onSegment: (rung, sequence) => this.#tellPublished([rung], sequence),
    });
    this.#passthrough = new Passthrough({
      log: this.#published,
      logger,
      onSegment: (sequence) => this.#tellPublished([SOURCE_RUNG], sequence),
    });
    const segments = new SourceSegments({
      pack,
      passthrough: this.#passthrough,
      audio: this.#audio,
      partTargetMs,
      onFacts: (facts) => {
        this.#unpublished.addFacts(facts);
        this.#transcoders.completed(facts);
      },
      onWork: (work) => this.#receipt(work),
    });
    this.source = new SourceIntake(grant, {
      buffer: this.#buffer,
      segments,
      audio: this.#audio,
      passthrough: this.#passthrough,
      onBoundary: (boundary, wallClockMs) => this.#begin(boundary, wallClockMs),
      onPicture: (sequence, { pts }) => this.#unpublished.addPicture(sequence, pts),
      onLatePicture: () => logger.warn("Ignore picture of a stream that began as sound alone"),
      onCue: (cue) => this.#cues.add(cue),
    });
  }

  get job(): AssignedJob {
    return this.#job;
  }

  /** Why a publisher may send nothing more. */
  get stopped(): IngestError | undefined {
    return this.#stopped ?? (this.#ending ? new IngestError({ code: "STREAM_ENDED" }) : undefined);
  }

  /** The codec of pictures that come now, where no viewer gets any of them. */
  get unshownCodec(): SourceVideoCodec | undefined {
    const codec = this.#passthrough.leftOut;
    if (codec === undefined) return undefined;
    return this.#renditions.some(({ kind, rung }) => kind === "video" && rung !== SOURCE_RUNG) ? undefined : codec;
  }

  /** The newest segment begun; null before the first. */
  get sequence(): number | null {
    return this.#unpublished.head;
  }

  get ended(): boolean {
    return this.#ending || this.#stopped !== undefined;
  }

  /** Somebody sees each picture as it comes, or waits for the next part. */
  get isHurried(): boolean {
    return this.#edges.isHurried;
  }

  /** Frames of its renditions as they are encoded. */
  get frames(): LiveFrames {
    return this.#published.frames;
  }

  /** How long ago the newest frame came; a segment that came whole counts for as long as it lasts. */
  get lastFrameAgeMs(): number {
    const { clock } = this.#components;
    const newestMs = Math.max(this.source.lastArrivalMs ?? this.#startedAtMs, this.#coveredUntilMs);
    return Math.max(0, clock.nowMs() - newestMs);
  }

  /** Aborts when nothing more is made here. */
  get signal(): AbortSignal {
    return this.#tasks.signal;
  }

  /** What the stream becomes, once the balancer said so. @throws why it never will be known */
  async renditions(): Promise<readonly RenditionInfo[]> {
    await this.#ready.promise;
    if (this.#stopped !== undefined) throw this.#stopped;
    return this.#renditions;
  }

  /** What pictures of this size would become; none where that is not known. The source itself is not made. */
  foresee({ width, height }: PictureSize): readonly RungShape[] {
    if (this.#renditions.length > 0) return this.#renditions.filter(isMade);
    const { ladder, partTargetMs } = this.#grant;
    // What came before was planned for its own size, and only the balancer knows for which.
    if (this.sequence !== null || partTargetMs !== undefined) return [];
    try {
      // Without a frame rate no rung is the twin of another that would not be one with it.
      return resolveLadder(ladder, { width, height }).rungs;
    } catch (error) {
      if (error instanceof TranscodeError) return [];
      throw error;
    }
  }

  /** What came so far is whole segments. Gives the pictures of each that began with `from` or later, by number. */
  endSegment(from: number, durationMs: number): ReadonlyMap<number, number> {
    this.source.endSegment();
    this.#coveredUntilMs = this.#components.clock.nowMs() + durationMs;
    return this.#unpublished.picturesFrom(from);
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
    this.#refused = undefined;
    this.#presence.returned();
    this.source.reconnect();
  }

  /** The publisher left. Without a goodbye it may come back within its grace. */
  left({ clean, code }: PublishEnd): void {
    if (clean) this.end(true);
    if (this.ended) return;
    this.#refused = code;
    this.#tasks.run(async (signal) => {
      if (await this.#presence.left(signal)) this.end(false);
    });
  }

  /** The publisher's frames ended for good. */
  end(clean: boolean): void {
    if (this.ended) return;
    this.#ending = true;
    this.#presence.end();
    this.#tasks.run((signal) => this.#finish(clean, signal));
  }

  /** Ends at once: what is not published is given up. */
  stop(error: IngestError): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = error;
    this.#audio.kill();
    this.#buffer.close();
    this.#transcoders.stop(error);
    this.#ready.resolve();
    this.#unpublished.wake();
    this.#over.resolve({ code: error.code });
  }

  /** Serves one peer until it leaves. */
  async serve(connection: MediaConnection, subscribe: SubscribeMessage): Promise<void> {
    await this.#waitUntilReady();
    if (this.#stopped !== undefined || !this.#unpublished.isReady) {
      const code = this.#stopped?.code ?? "INGEST_STREAM_NOT_READY";
      await connection.send({ type: "refused", code });
      return connection.close();
    }
    if (subscribe.spec.primitive === "transcode") return this.#transcoders.serve(connection, subscribe);
    const isOwn = connection.remoteAddress === this.#components.signer.address;
    const source = {
      clock: this.#components.clock,
      read: (fromSequence: number, signal: AbortSignal) => this.#published.readFrom(fromSequence, signal, isOwn),
      isAlive: () => true,
      onBeat: () => this.#published.tellProgress(this.#components.clock.nowMs()),
      frames: isOwn ? this.#published.frames : undefined,
    };
    return this.#edges.serve(connection, subscribe, source, this.#tasks.signal);
  }

  /** Takes no more of what an attempt made. */
  closeAttempt(job: Hex, attempt: number): void {
    this.#transcoders.close(job, attempt);
  }

  async #waitUntilReady(): Promise<void> {
    const done = new AbortController();
    const patience = this.#components.clock.sleep(this.#limits.readyWaitMs, done.signal).catch(() => {});
    await Promise.race([this.#ready.promise, patience]);
    done.abort();
  }

  /** Fixed from the first time that somebody needs it. */
  get #partTargetMs(): number {
    this.#partTarget ??= this.#grant.partTargetMs ?? partTargetOf(this.source.frameTicks);
    return this.#partTarget;
  }

  #describe(): DescriptionMessage {
    return {
      type: "description",
      renditions: this.#renditions,
      partTargetMs: this.#partTargetMs,
      targetDurationS: TARGET_DURATION_S,
      ended: this.#published.closed,
    };
  }

  #begin(boundary: Boundary, wallClockMs: number): void {
    const { desk, clock } = this.#components;
    const { sequence } = boundary;
    this.#cues.boundary(boundary, wallClockMs);
    this.#unpublished.begin(boundary, wallClockMs);
    if (!this.#announced) {
      this.#announced = true;
      this.#tasks.run((signal) => this.#announce(signal));
    }
    const verdict = desk.mayWork(this.#job.job);
    if (verdict === "ok") this.#creditLostAt = undefined;
    else this.#creditLostAt ??= clock.nowMs();
    if (this.#creditLostAt === undefined || clock.nowMs() - this.#creditLostAt < this.#limits.creditWaitMs) return;
    // Who does not answer pays for nothing either: the publisher must not look for money that is there.
    const error = this.#line.isAway
      ? new IngestError({ code: "INGEST_BALANCER_AWAY" })
      : new IngestError({ code: "INGEST_LEASE_LOST", reason: verdict });
    desk.finish(this.#job, { code: this.#line.isAway ? error.code : verdict, sequence });
    this.stop(error);
  }

  /** Tells the balancer what the source is, and learns what it becomes. Audio may show a little after the picture. */
  async #announce(signal: AbortSignal): Promise<void> {
    // One that was refused for its sound, or left before it sent any, comes back with what it has, if it does soon.
    const isKnown = () => this.source.audioConfig !== undefined || this.ended;
    await this.#presence.stays(this.#limits.audioWaitMs, isKnown, signal);
    if (this.#stopped !== undefined) return;
    const source = this.source.summary();
    const answer = await this.#line.ask(
      "source.ready",
      { stream: this.stream, source, partTargetMs: this.#partTargetMs },
      signal,
    );
    if (answer === undefined) {
      this.stop(new IngestError({ code: "INGEST_LEASE_LOST", reason: "source refused" }));
      return;
    }
    this.#renditions = answer.renditions;
    this.#unpublished.setRenditions(answer.renditions, this.#grant.startSequence);
    this.#transcoders.begin();
    this.#audio.setRenditions(answer.renditions);
    this.#passthrough.setRenditions(answer.renditions);
    this.#ready.resolve();
  }

  /** Edges see it first; then the balancer is told. */
  #tellPublished(rungs: readonly number[], sequence: number): void {
    for (const rung of rungs) this.#newest.set(rung, Math.max(this.#newest.get(rung) ?? 0, sequence));
    this.#line.tellPublished(rungs, sequence);
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
    // The lease is given back: it may be somebody else's now, at this node too.
    if (this.#isEndTold) return;
    const health = this.#measureHealth();
    const reason = await this.#line.renew({
      stream: this.stream,
      lastFrameAgeMs: this.lastFrameAgeMs,
      sequence: this.sequence,
      frames: this.source.frames,
      isOver: this.#ending,
      published: [...this.#newest].map(([rung, sequence]) => ({ rung, sequence })),
      ...(health !== undefined && !this.#ending && { health }),
      ...(this.#refused !== undefined && { refused: this.#refused }),
    });
    if (reason === undefined || this.#ending) return;
    this.#components.logger.warn("Publish lease is lost", { code: reason });
    this.stop(lossOf(reason));
  }

  #measureHealth(): SourceHealth | undefined {
    const { health, lastAtMs } = this.source;
    const nowMs = this.#components.clock.nowMs();
    const isSettled = this.#renditions.length > 0;
    const isLeftOut = (track: "video" | "audio") =>
      isSettled &&
      !this.#renditions.some(({ kind }) => kind === track) &&
      nowMs - (lastAtMs[track] ?? Number.NEGATIVE_INFINITY) < healthWindowMs;
    const leftOut = isLeftOut("video") ? "pictures" : isLeftOut("audio") ? "sound" : null;
    return health.read(nowMs, leftOut ?? (this.#passthrough.leftOut === undefined ? null : "source"));
  }

  async #finish(clean: boolean, signal: AbortSignal): Promise<void> {
    const { clock, desk, logger } = this.#components;
    // What is done from now on is the last of its stream: the balancer must not place it again.
    this.#tasks.run(() => this.#renew());
    this.source.finish();
    // Until it is known which sound is wanted there is none to finish.
    if (this.#announced) await this.#ready.promise;
    await this.#audio.finish();
    const lastSequence = this.sequence;
    await waitForFamilies(this.#unpublished, clock, this.#limits.endWaitMs, signal);
    const { behind } = this.#unpublished;
    if (behind > 0) logger.warn("Stream ended with segments that nobody made", { segments: behind });
    await this.#transcoders.finish();
    this.#published.close();
    await this.#line.told();
    await this.#receipts;
    const end = { stream: this.stream, clean, lastSequence, frames: this.source.frames };
    await this.#line.ask("publish.end", end, signal);
    this.#isEndTold = true;
    desk.finish(this.#job);
    if (lastSequence === null) {
      this.#over.resolve({ code: undefined });
      return;
    }
    // Late edges get the whole end meanwhile.
    await clock.sleep(this.#limits.lingerMs, signal);
    await waitForEdges(this.#edges.running, clock, this.#limits.edgeDrainMs, signal);
    this.#over.resolve({ code: undefined });
  }
}

/** Of the ladder: not the source itself, and no sound. */
function isMade(info: RenditionInfo): info is RenditionInfo & RungShape {
  const { kind, rung, width, height } = info;
  return kind === "video" && rung !== SOURCE_RUNG && width !== undefined && height !== undefined;
}
