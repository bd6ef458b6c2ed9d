import type { Clock } from "@leat/node/kernel/clock.ts";
import { FrameRelay } from "@leat/node/media/live-frames.ts";
import { PART_TARGET_MS } from "@leat/node/media/packager.ts";
import { findOnWish } from "@leat/node/media/playable.ts";
import type { MediaConnection, SubscribeMessage } from "@leat/node/wire/media/message.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import { zeroHash } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec, Origin } from "@leat/sdk/protocol/job.ts";
import type { Statements } from "@leat/sdk/protocol/statements.ts";
import { isAltered } from "../jobs/altered.ts";
import type { AssignedJob, JobChange } from "../jobs/job-desk.ts";
import { OwnAccepted } from "../jobs/own-accepted.ts";
import type { MediaDialer } from "../jobs/ports.ts";
import type { ReceiptBook } from "../jobs/receipt-book.ts";
import type { MayWork } from "../payment/index.ts";
import { EdgeFeed, type FeedLimits } from "./edge-feed.ts";
import { EdgeIntake } from "./edge-intake.ts";
import { EdgeStream, type KeepPart, type ServedSegment } from "./edge-stream.ts";
import { DeliveryError, isUnpaid } from "./errors.ts";
import { GrantedBytes } from "./granted-bytes.ts";
import type { HolderReport } from "./holder-report.ts";
import { HolderWishes } from "./holder-wishes.ts";
import { OwnIntake } from "./own-intake.ts";
import { Silence } from "./silence.ts";
import { Sources } from "./sources.ts";

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
  readonly creditWaitMs: number;
}

/** Why the pull is over: the stream's end, or what the balancer must know. */
export interface DeliveryOutcome {
  readonly code: string | undefined;
}

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
  readonly #granted: GrantedBytes;
  #connection: MediaConnection | undefined;
  /** Undefined while there is no holder to tell. */
  #wishes: HolderWishes | undefined;
  /** Rungs that the origin itself did not bring when they were wished for, with the newest segment of each by then. */
  readonly #unmade = new Map<number, number>();
  #changed = new AbortController();
  #stopped = false;
  #creditLostAt: number | undefined;
  #receipts: Promise<void> = Promise.resolve();

  constructor(job: AssignedJob<DeliverySpec>, components: DeliveryJobComponents, limits: DeliveryLimits) {
    this.job = job;
    this.#components = components;
    // Of a source with a picture a second a part comes no sooner: it is begun by one and closed by the next.
    const { partTargetMs = PART_TARGET_MS } = job.spec;
    this.#limits = { ...limits, silenceMs: Math.max(limits.silenceMs, 2 * partTargetMs) };
    const { origin, parents, stream: id, slug, playback: policy = { type: "public" } } = job.spec;
    this.#sources = new Sources(job.assignment.value.node, origin, parents);
    this.#granted = new GrantedBytes(job.spec.unsignedBudgetBytes);
    this.#frames = new FrameRelay(
      (error) => components.logger.warn("Follow frames failed", { error }),
      () => this.#wish(),
    );
    this.#feed = new EdgeFeed(origin.node, components.clock, this.#limits, this.#frames, () => this.#wish());
    this.stream = new EdgeStream(components.keep, { id, slug, policy }, this.#frames);
    this.stream.describe(job.spec.renditions, job.spec.partTargetMs);
    this.stream.isUnbudgeted = this.#granted.isNone;
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
        this.#settle(this.stream.end());
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
    this.#settle(this.stream.end());
    this.#settle(this.stream.closeCounts());
    await this.#receipts;
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
    // Another origin cannot go on with it: frames that it never had are in it.
    this.#settle(this.stream.closeShort());
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
    const silence = new Silence(clock, this.#limits.holderWaitMs);
    // Where there is nobody else to ask, whoever is slow is better than none.
    const watching = this.#sources.hasOthers ? silence.watch() : undefined;
    let connection: MediaConnection | undefined;
    const leave = () => connection?.abort(silence.signal.reason);
    silence.signal.addEventListener("abort", leave, { once: true });
    try {
      const changed = this.#changed.signal;
      const signal = AbortSignal.any([changed, silence.signal]);
      connection = await media.openMedia(holder.multiaddrs, holder.node, { signal });
      silence.signal.throwIfAborted();
      if (this.#stopped || changed.aborted) throw new DeliveryError({ code: "DELIVERY_ORIGIN_CHANGED" });
      await this.#read(connection, holder, silence);
    } catch (error) {
      connection?.abort(error as Error);
      throw silence.signal.aborted ? silence.signal.reason : error;
    } finally {
      silence.stop();
      await watching;
    }
  }

  /** Resolves with the stream's end. */
  async #read(connection: MediaConnection, holder: Origin, silence: Silence): Promise<void> {
    const { origin } = this.#sources;
    const isOrigin = holder.node === origin.node;
    const { assignment, spec } = this.job;
    const fromSequence = this.stream.nextSequence;
    const subscribe = { assignment, stream: spec.stream, fromSequence };
    const signed = isOrigin ? {} : { origin: origin.node };
    this.#connection = connection;
    let leaveFrames = () => {};
    try {
      await connection.send({ type: "subscribe", role: "edge", ...subscribe, ...signed });
      // A connection that is lost is told by who reads it, and the next one hears it anew.
      const tell = (rungs: readonly number[]) => connection.send({ type: "wish", rungs }).catch(() => {});
      this.#wishes = new HolderWishes(this.stream, this.#components.clock, tell);
      this.#wish();
      const intake = this.#isOwn ? this.#ownIntake() : this.#intake(fromSequence, isOrigin);
      for await (const message of connection.messages) {
        silence.heard();
        if (message instanceof OwnAccepted) leaveFrames = this.#frames.attach(message.frames);
        if (message.type === "accepted") {
          silence.maxMs = this.#limits.silenceMs;
          this.#components.report.accepted(holder.node);
          if (isOrigin) this.#feed.heard();
          else this.#feed.promised();
        }
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
      this.#wishes = undefined;
    }
  }

  #ownIntake(): OwnIntake {
    return new OwnIntake({
      stream: this.stream,
      onServed: (segments) => this.#settle(segments),
      onSegment: () => this.#endSegment(true),
    });
  }

  #intake(fromSequence: number, isOrigin: boolean): EdgeIntake {
    const { job, stream } = this;
    const { statements, domain } = this.#components;
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
      onPart: () => this.#feed.heard(),
      onServed: (segments) => this.#settle(segments),
      onSegment: () => this.#endSegment(isOrigin),
    });
  }

  #endSegment(isOrigin: boolean): void {
    this.#requireCredit();
    this.#requireWished(isOrigin);
  }

  /** Has the holder bring what is made for viewers only, as long as there are some, here or at an edge that is fed. */
  #wish(): void {
    const rungs = findOnWish(this.stream.window.renditions)
      .map(({ rung }) => rung)
      .filter((rung) => this.stream.frames.isFollowed(rung) || this.#feed.isWished(rung));
    this.#wishes?.set(rungs);
  }

  /** Heartbeats tell of no rung that is made on wish alone: who keeps one back is left, unless its origin brings none. */
  #requireWished(isOrigin: boolean): void {
    const standing = this.#wishes?.standing(this.job.spec.depth ?? 1) ?? [];
    if (isOrigin) {
      for (const rung of standing) this.#unmade.set(rung, this.stream.newestOf(rung));
      return;
    }
    const rung = standing.find((wished) => this.#unmade.get(wished) !== this.stream.newestOf(wished));
    if (rung !== undefined) throw new DeliveryError({ code: "DELIVERY_RUNG_WITHHELD", rung });
  }

  /** Work stops at the credit limit; a voucher that is on its way may still come. */
  #requireCredit(): void {
    const { mayWork, clock } = this.#components;
    const verdict = mayWork();
    if (verdict === "ok") {
      this.#creditLostAt = undefined;
      return;
    }
    this.#creditLostAt ??= clock.nowMs();
    if (clock.nowMs() - this.#creditLostAt >= this.#limits.creditWaitMs) {
      throw new DeliveryError({ code: verdict });
    }
  }

  /** One receipt for each segment of which anything was served; what was granted caps what of it is booked as earned. */
  #settle(segments: readonly ServedSegment[]): void {
    const { receipts, logger } = this.#components;
    for (const { sequence, firstFrame, durationMs, leaves } of segments) {
      const served = leaves.reduce((sum, leaf) => sum + leaf.sizeBytes, 0n);
      const units = this.#granted.take(served);
      const work = { sequence, inputHash: zeroHash, leaves, firstFrame, frames: 0, durationMs, units };
      this.#receipts = this.#receipts.then(async () => {
        try {
          await receipts.issue(this.job, work);
        } catch (error) {
          logger.error("Issue delivery receipt failed", { sequence, error });
        }
      });
    }
  }
}
