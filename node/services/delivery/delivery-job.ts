import type { Clock } from "@leat/node/kernel/clock.ts";
import { FrameRelay } from "@leat/node/media/live-frames.ts";
import { PART_TARGET_MS } from "@leat/node/media/packager.ts";
import type { MediaConnection, SubscribeMessage } from "@leat/node/wire/media/message.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import { type DeliverySpec, type Origin, pricedPullOf } from "@leat/sdk/protocol/job.ts";
import type { Statements } from "@leat/sdk/protocol/statements.ts";
import { isAltered } from "../jobs/altered.ts";
import type { AssignedJob, JobChange } from "../jobs/job-desk.ts";
import { OwnAccepted } from "../jobs/own-accepted.ts";
import type { MediaDialer } from "../jobs/ports.ts";
import type { ReceiptBook } from "../jobs/receipt-book.ts";
import type { MayWork } from "../payment/index.ts";
import { CreditWait } from "./credit-wait.ts";
import { EdgeFeed, type FeedLimits } from "./edge-feed.ts";
import { EdgeIntake } from "./edge-intake.ts";
import { EdgeStream, type KeepPart } from "./edge-stream.ts";
import { DeliveryError, isUnpaid } from "./errors.ts";
import { GrantedBytes } from "./granted-bytes.ts";
import type { HolderReport } from "./holder-report.ts";
import { HolderWatch } from "./holder-watch.ts";
import { lateAfterMs } from "./lateness.ts";
import { OriginTime } from "./origin-time.ts";
import { OwnIntake } from "./own-intake.ts";
import { ServedReceipts } from "./served-receipts.ts";
import { Sources } from "./sources.ts";
import { ViewerWishes } from "./viewer-wishes.ts";

export interface DeliveryJobComponents {
  readonly media: MediaDialer;
  readonly receipts: ReceiptBook;
  readonly mayWork: () => MayWork;
  readonly statements: Statements;
  readonly domain: Domain;
  readonly keep: KeepPart;
  readonly report: HolderReport;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface DeliveryLimits extends FeedLimits {
  readonly segmentBytes: number;
  readonly originRetryMs: number;
  readonly originRetryMaxMs: number;
  readonly holderWaitMs: number;
  readonly behindMs: number;
  readonly creditWaitMs: number;
}

/** Why the pull is over: the stream's end, or what the balancer must know. */
export interface DeliveryOutcome {
  readonly code: string | undefined;
}

/** How far back from the newest segment an edge begins at most: what was signed before is of no use, and may be very old. */
const HISTORY_SEGMENTS = 20;
/** Of a rung's newest 20 segments, for each step to the origin: those nearer to it are to leave who cuts them first. */
const CUT_PER_STEP = 2;

/** One stream on this edge: pulls it from a holder, checks it, keeps it served and counts what is served. */
export class DeliveryJob {
  readonly job: AssignedJob<DeliverySpec>;
  readonly stream: EdgeStream;
  readonly #components: DeliveryJobComponents;
  readonly #limits: DeliveryLimits;
  readonly #sources: Sources;
  readonly #feed: EdgeFeed;
  readonly #frames: FrameRelay;
  readonly #wishes: ViewerWishes;
  readonly #granted: GrantedBytes;
  readonly #receipts: ServedReceipts;
  readonly #credit: CreditWait;
  readonly #originTime: OriginTime;
  #connection: MediaConnection | undefined;
  #changed = new AbortController();
  #stopped = false;
  /** The newest segment that its origin had published by then, as the balancer said; 0 where that did not know. */
  #published: number;

  constructor(job: AssignedJob<DeliverySpec>, components: DeliveryJobComponents, limits: DeliveryLimits) {
    this.job = job;
    this.#components = components;
    // Of a source with a picture a second a part comes no sooner: it is begun by one and closed by the next.
    const { partTargetMs = PART_TARGET_MS } = job.spec;
    this.#limits = { ...limits, silenceMs: Math.max(limits.silenceMs, 2 * partTargetMs) };
    const { origin, parents, stream: id, slug, playback: policy = { type: "public" } } = job.spec;
    this.#sources = new Sources(job.assignment.value.node, origin, parents);
    this.#granted = new GrantedBytes(job.spec.unsignedBudgetBytes);
    this.#receipts = new ServedReceipts(job, this.#granted, components);
    this.#credit = new CreditWait(components, limits.creditWaitMs);
    this.#originTime = new OriginTime(components.clock);
    this.#published = job.spec.published ?? 0;
    this.#frames = new FrameRelay(
      (error) => components.logger.warn("Follow frames failed", { error }),
      () => this.#wishes.look(),
    );
    this.#feed = new EdgeFeed(origin.node, components.clock, this.#limits, this.#frames, () => this.#wishes.look());
    this.stream = new EdgeStream(components.keep, { id, slug, policy }, this.#frames, () => this.#wishes.look());
    this.stream.describe(job.spec.renditions, job.spec.partTargetMs);
    this.stream.isUnbudgeted = this.#granted.isNone;
    const { clock } = components;
    this.#wishes = new ViewerWishes({ stream: this.stream, clock, depth: job.spec.depth ?? 1, feed: this.#feed });
  }

  /** The newest segment of which viewers have anything: nobody may give that number to another. */
  get sequence(): number | null {
    const { newest } = this.stream;
    return newest < 0 ? null : newest;
  }

  /** Other edges that are fed from here. */
  get fed(): number {
    return this.#feed.size;
  }

  /** Pulls until the stream ends, or until stopped. Serving goes on whatever happens here. */
  async run(): Promise<DeliveryOutcome> {
    const { clock, logger } = this.#components;
    let pauseMs = this.#limits.originRetryMs;
    while (!this.#stopped) {
      const head = this.stream.window.head;
      this.#changed = new AbortController();
      const { current } = this.#sources;
      try {
        await this.#pull(current);
        this.#receipts.settle(this.stream.end());
        this.#feed.end();
        return { code: undefined };
      } catch (error) {
        this.#feed.cutOff();
        if (this.#stopped) break;
        if (error instanceof DeliveryError && isUnpaid(error.code)) return { code: error.code };
        if (!isCodedError(error)) logger.warn("Pull stream failed", { error });
        else logger.info("Pull of stream ended", { code: error.code, holder: current.node });
        if (this.stream.window.head !== head || this.#changed.signal.aborted) pauseMs = this.#limits.originRetryMs;
        if (!this.#changed.signal.aborted && !this.#leave(error)) continue;
        await clock.sleep(pauseMs, this.#changed.signal).catch(() => {});
        pauseMs = Math.min(pauseMs * 2, this.#limits.originRetryMaxMs);
      }
    }
    return { code: undefined };
  }

  change({ origin, parents, unsignedBudgetBytes, playback }: JobChange): void {
    if (playback !== undefined) this.stream.guarded = { ...this.stream.guarded, policy: playback };
    if (unsignedBudgetBytes !== undefined) {
      this.#granted.set(unsignedBudgetBytes);
      this.stream.isUnbudgeted = this.#granted.isNone;
    }
    if (origin !== undefined) this.#moveOrigin(origin, parents ?? []);
    else if (parents !== undefined) this.#moveTo(parents);
  }

  /** Serves another edge of the stream until it leaves, or says why not; undefined where its origin is this node. */
  hold(connection: MediaConnection, subscribe: SubscribeMessage): Promise<void> | string | undefined {
    return this.#isOwn ? undefined : this.#feed.serve(connection, subscribe);
  }

  /** Pulls no more; writes the receipts of all that was served. Serving may go on, uncounted. */
  async end(): Promise<void> {
    const reason = new DeliveryError({ code: "DELIVERY_ENDED" });
    this.#stopped = true;
    this.#changed.abort();
    this.#connection?.abort(reason);
    this.#feed.stop(reason);
    this.#receipts.settle(this.stream.end());
    this.#receipts.settle(this.stream.closeCounts());
    await this.#receipts.issued;
  }

  get #isOwn(): boolean {
    return this.#sources.origin.node === this.job.assignment.value.node;
  }

  #moveOrigin(origin: Origin, parents: readonly Origin[]): void {
    const isElsewhere = origin.node !== this.#sources.origin.node;
    this.#sources.set(origin, parents);
    this.#changed.abort();
    if (!isElsewhere) return;
    this.#connection?.abort(new DeliveryError({ code: "DELIVERY_ORIGIN_CHANGED" }));
    this.#feed.restart(origin.node);
    this.#originTime.forget();
    this.#published = 0;
    // Another origin cannot go on with it: frames that it never had are in it.
    this.#receipts.settle(this.stream.closeShort());
  }

  #moveTo(parents: readonly Origin[]): void {
    const { origin, current } = this.#sources;
    this.#sources.set(origin, parents);
    if (this.#sources.current.node === current.node && this.#connection !== undefined) return;
    this.#changed.abort();
    this.#connection?.abort(new DeliveryError({ code: "DELIVERY_PARENT_CHANGED" }));
  }

  /** Turns to the next holder. Answers whether all were asked by now. */
  #leave(error: unknown): boolean {
    const { current, origin } = this.#sources;
    const { report, logger } = this.#components;
    if (current.node === origin.node) return this.#sources.advance();
    const code = isCodedError(error) ? error.code : "DELIVERY_ORIGIN_LOST";
    const isEnd = code === "DELIVERY_PARENT_ENDED";
    const isRefused = error instanceof DeliveryError && error.detail.code === "DELIVERY_ORIGIN_REFUSED";
    if (!isEnd) report.failed(current.node, isRefused ? error.detail.reason : code);
    if (!isEnd && !isAltered(code)) return this.#sources.advance();
    if (!isEnd) logger.warn("Leave edge that alters the stream", { holder: current.node, code });
    this.#sources.pass();
    return false;
  }

  async #pull(holder: Origin): Promise<void> {
    const { clock, media } = this.#components;
    const { silenceMs, holderWaitMs: answerMs, behindMs } = this.#limits;
    const maxMs = lateAfterMs(behindMs, this.job.spec.depth ?? 1);
    const watch = new HolderWatch(clock, this.#originTime, { answerMs, silenceMs, maxMs, firstMs: answerMs + maxMs });
    const { signal: lost } = watch;
    const isSelf = holder.node === this.job.assignment.value.node;
    // Where there is nobody else to ask, whoever is slow is better than none; this node is there as long as its edge is.
    if (this.#sources.hasOthers && !isSelf) watch.start(holder.node === this.#sources.origin.node);
    let connection: MediaConnection | undefined;
    const leave = () => connection?.abort(lost.reason);
    lost.addEventListener("abort", leave, { once: true });
    try {
      const changed = this.#changed.signal;
      connection = await media.openMedia(holder.multiaddrs, holder.node, { signal: AbortSignal.any([changed, lost]) });
      lost.throwIfAborted();
      if (this.#stopped || changed.aborted) throw new DeliveryError({ code: "DELIVERY_ORIGIN_CHANGED" });
      await this.#read(connection, holder, watch);
    } catch (error) {
      connection?.abort(error as Error);
      throw lost.aborted ? lost.reason : error;
    } finally {
      await watch.stop();
    }
  }

  /** Resolves with the stream's end. */
  async #read(connection: MediaConnection, holder: Origin, watch: HolderWatch): Promise<void> {
    const { origin } = this.#sources;
    const isOrigin = holder.node === origin.node;
    const { assignment, quote, spec } = this.job;
    const fromSequence = Math.max(this.stream.nextSequence, this.#published - HISTORY_SEGMENTS + 1);
    const subscribe = { assignment, quote, spec: pricedPullOf(spec), fromSequence };
    const signed = isOrigin ? {} : { origin: origin.node };
    this.#connection = connection;
    let leaveFrames = () => {};
    try {
      await connection.send({ type: "subscribe", ...subscribe, ...signed });
      // A connection that is lost is told by who reads it, and the next one hears it anew.
      this.#wishes.begin((wish) => connection.send({ type: "wish", ...wish }).catch(() => {}));
      const intake = this.#isOwn ? this.#ownIntake() : this.#intake(fromSequence, isOrigin, watch);
      for await (const message of connection.messages) {
        watch.heard();
        if (message instanceof OwnAccepted) leaveFrames = this.#frames.attach(message.frames);
        if (message.type === "accepted") this.#accepted(holder, isOrigin, watch);
        if (message.type === "end") {
          await connection.close();
          if (isOrigin) return;
          // That it is over is for its origin to say.
          throw new DeliveryError({ code: "DELIVERY_PARENT_ENDED" });
        }
        intake.take(message);
      }
      throw new DeliveryError({ code: "DELIVERY_ORIGIN_LOST" });
    } finally {
      leaveFrames();
      this.#connection = undefined;
      this.#wishes.end();
    }
  }

  #accepted(holder: Origin, isOrigin: boolean, watch: HolderWatch): void {
    watch.served();
    this.#components.report.accepted(holder.node);
    if (isOrigin) {
      this.#feed.heard();
      // Its own words come without a delay, whatever others took for one.
      this.#originTime.forget();
    } else this.#feed.promised();
  }

  #ownIntake(): OwnIntake {
    return new OwnIntake({
      stream: this.stream,
      onServed: (segments) => this.#receipts.settle(segments),
      onSegment: () => this.#endSegment(true),
    });
  }

  #intake(fromSequence: number, isOrigin: boolean, watch: HolderWatch): EdgeIntake {
    const { job, stream } = this;
    const { statements, domain } = this.#components;
    let { newest } = stream;
    return new EdgeIntake({
      spec: job.spec,
      origin: this.#sources.origin.node,
      stream,
      fromSequence,
      maxCut: isOrigin ? Number.POSITIVE_INFINITY : CUT_PER_STEP * (job.spec.depth ?? 1),
      feed: this.#feed.begin(),
      statements,
      domain,
      maxBytes: this.#limits.segmentBytes,
      published: this.#published,
      onPart: () => {
        this.#feed.heard();
        if (stream.newest > newest) watch.caughtUp();
        newest = stream.newest;
      },
      onProgress: (progress) => {
        watch.told(progress.atMs);
        this.#feed.tell(progress);
      },
      onServed: (segments) => this.#receipts.settle(segments),
      onSegment: () => this.#endSegment(isOrigin),
    });
  }

  #endSegment(isOrigin: boolean): void {
    this.#credit.require();
    // That nobody waits any more is told by nobody.
    this.#wishes.look();
    this.#wishes.require(isOrigin);
  }
}
