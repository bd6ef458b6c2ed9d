import type { Clock } from "@leat/node/kernel/clock.ts";
import { FrameRelay } from "@leat/node/media/live-frames.ts";
import { PART_TARGET_MS } from "@leat/node/media/packager.ts";
import { findOnWish } from "@leat/node/media/playable.ts";
import type { MediaConnection, MediaMessage, SegmentStartMessage } from "@leat/node/wire/media/message.ts";
import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { Domain } from "@leat/sdk/protocol/eip712.ts";
import type { Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";
import { zeroHash } from "@leat/sdk/protocol/hex.ts";
import type { DeliverySpec, Origin } from "@leat/sdk/protocol/job.ts";
import type { Statements } from "@leat/sdk/protocol/statements.ts";
import type { AssignedJob, JobChange } from "../jobs/job-desk.ts";
import type { MediaDialer } from "../jobs/ports.ts";
import type { ReceiptBook } from "../jobs/receipt-book.ts";
import type { MayWork } from "../payment/index.ts";
import { EdgeStream, type KeepPart, type ServedSegment } from "./edge-stream.ts";
import { DeliveryError, isUnpaid } from "./errors.ts";
import { OwnSegment } from "./own-segment.ts";
import { type IncomingSegment, SegmentVerifier, type VerifierRules } from "./segment-verifier.ts";

export interface DeliveryJobComponents {
  readonly media: MediaDialer;
  readonly receipts: ReceiptBook;
  readonly mayWork: () => MayWork;
  readonly statements: Statements;
  readonly domain: Domain;
  readonly keep: KeepPart;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface DeliveryLimits {
  readonly segmentBytes: number;
  readonly originRetryMs: number;
  readonly originRetryMaxMs: number;
  readonly creditWaitMs: number;
}

/** Why the pull is over: the stream's end, or what the balancer must know. */
export interface DeliveryOutcome {
  readonly code: string | undefined;
}

/** One stream on this edge: pulls it from its origin, checks it, keeps it served and counts what is served. */
export class DeliveryJob {
  readonly job: AssignedJob<DeliverySpec>;
  readonly stream: EdgeStream;
  readonly #components: DeliveryJobComponents;
  readonly #limits: DeliveryLimits;
  #origin: Origin;
  #partTargetMs = PART_TARGET_MS;
  /** Of the unsigned budget: all that was granted, and what is left of it. */
  #granted: bigint;
  #budget: bigint;
  #connection: MediaConnection | undefined;
  /** What the origin was told last of what viewers wish for; undefined while there is nobody to tell. */
  #wished: string | undefined;
  #changed = new AbortController();
  #stopped = false;
  #creditLostAt: number | undefined;
  #receipts: Promise<void> = Promise.resolve();

  constructor(job: AssignedJob<DeliverySpec>, components: DeliveryJobComponents, limits: DeliveryLimits) {
    this.job = job;
    this.#components = components;
    this.#limits = limits;
    this.#origin = job.spec.origin;
    this.#granted = job.spec.unsignedBudgetBytes;
    this.#budget = this.#granted;
    const { stream: id, slug, playback: policy = { type: "public" } } = job.spec;
    const frames = new FrameRelay(
      (error) => components.logger.warn("Follow frames failed", { error }),
      () => this.#wish(),
    );
    this.stream = new EdgeStream(components.keep, { id, slug, policy }, frames);
    this.stream.describe(job.spec.renditions);
    this.stream.isUnbudgeted = this.#granted === 0n;
  }

  /** The newest segment of which viewers have anything: nobody may give that number to another. */
  get sequence(): number | null {
    const { newest } = this.stream;
    return newest < 0 ? null : newest;
  }

  /** Pulls until the stream ends, or until stopped. Serving goes on whatever happens here. */
  async run(): Promise<DeliveryOutcome> {
    const { clock, logger } = this.#components;
    let pauseMs = this.#limits.originRetryMs;
    while (!this.#stopped) {
      const head = this.stream.window.head;
      this.#changed = new AbortController();
      try {
        await this.#pull(this.#origin);
        this.#settle(this.stream.end());
        return { code: undefined };
      } catch (error) {
        if (this.#stopped) break;
        if (error instanceof DeliveryError && isUnpaid(error.code)) return { code: error.code };
        if (!isCodedError(error)) logger.warn("Pull stream failed", { error });
        else logger.info("Pull of stream ended", { code: error.code });
        if (this.stream.window.head !== head || this.#changed.signal.aborted) pauseMs = this.#limits.originRetryMs;
        await clock.sleep(pauseMs, this.#changed.signal).catch(() => {});
        pauseMs = Math.min(pauseMs * 2, this.#limits.originRetryMaxMs);
      }
    }
    return { code: undefined };
  }

  change({ origin, unsignedBudgetBytes, playback }: JobChange): void {
    if (playback !== undefined) this.stream.guarded = { ...this.stream.guarded, policy: playback };
    if (unsignedBudgetBytes !== undefined) {
      const left = this.#budget + unsignedBudgetBytes - this.#granted;
      this.#budget = left > 0n ? left : 0n;
      this.#granted = unsignedBudgetBytes;
      this.stream.isUnbudgeted = unsignedBudgetBytes === 0n;
    }
    if (origin === undefined) return;
    const isElsewhere = origin.node !== this.#origin.node;
    this.#origin = origin;
    this.#changed.abort();
    if (!isElsewhere) return;
    this.#connection?.abort(new DeliveryError({ code: "DELIVERY_ORIGIN_CHANGED" }));
    // Another origin cannot go on with it: frames that it never had are in it.
    this.#settle(this.stream.closeShort());
  }

  /** Pulls no more; writes the receipts of all that was served. Serving may go on, uncounted. */
  async end(): Promise<void> {
    this.#stopped = true;
    this.#changed.abort();
    this.#connection?.abort(new DeliveryError({ code: "DELIVERY_ENDED" }));
    this.#settle(this.stream.end());
    this.#settle(this.stream.closeCounts());
    await this.#receipts;
  }

  async #pull(origin: Origin): Promise<void> {
    const { job, stream } = this;
    const connection = await this.#components.media.openMedia(origin.multiaddrs, origin.node);
    this.#connection = connection;
    try {
      if (this.#stopped || origin !== this.#origin) throw new DeliveryError({ code: "DELIVERY_ORIGIN_CHANGED" });
      const { assignment, spec } = job;
      const fromSequence = stream.nextSequence;
      await connection.send({ type: "subscribe", role: "edge", assignment, stream: spec.stream, fromSequence });
      this.#wished = "";
      this.#wish();
      const open = new Map<number, IncomingSegment>();
      for await (const message of connection.messages) {
        if (message.type === "end") {
          await connection.close();
          return;
        }
        this.#take(message, open, origin);
      }
      throw new DeliveryError({ code: "DELIVERY_ORIGIN_LOST" });
    } catch (error) {
      connection.abort(error as Error);
      throw error;
    } finally {
      this.#connection = undefined;
      this.#wished = undefined;
    }
  }

  /** Has the origin make what it makes for viewers only, as long as there are some. */
  #wish(): void {
    const rungs = findOnWish(this.stream.window.renditions)
      .map(({ rung }) => rung)
      .filter((rung) => this.stream.frames.isFollowed(rung));
    const wished = rungs.join(" ");
    if (this.#wished === undefined || wished === this.#wished) return;
    this.#wished = wished;
    // A connection that is lost is told by who reads it, and the next one hears it anew.
    this.#connection?.send({ type: "wish", rungs }).catch(() => {});
  }

  #take(message: MediaMessage, open: Map<number, IncomingSegment>, origin: Origin): void {
    const { stream } = this;
    switch (message.type) {
      case "accepted":
        return;
      case "refused":
        throw new DeliveryError({ code: "DELIVERY_ORIGIN_REFUSED", reason: message.code });
      case "description":
        this.#partTargetMs = message.partTargetMs;
        stream.describe(message.renditions, message.partTargetMs);
        this.#wish();
        return;
      case "config":
        stream.setConfig(message.rung, message.version, message.config);
        return;
      case "segmentStart": {
        const config = stream.config(message.rung, message.configVersion);
        if (config === undefined) throw unexpected("segmentStart before its config");
        this.#settle(stream.begin(message));
        open.set(message.rung, this.#open(message, config, origin));
        stream.frames.config(message.rung, message.configVersion, config);
        return;
      }
      case "frame":
        this.#takeFrame(needOpen(open, message.rung), message.frame);
        // What the verifier refuses ends the pull: no viewer is to have it before that.
        stream.frames.frame(message.rung, message.sequence, message.frame);
        return;
      case "partRestart": {
        stream.frames.takeBack(message.rung, needOpen(open, message.rung).restartPart());
        return;
      }
      case "partMark":
        needOpen(open, message.rung).mark(message);
        return;
      case "segmentEnd": {
        const verified = needOpen(open, message.rung).finish(message);
        open.delete(message.rung);
        const config = stream.config(message.rung, verified.start.configVersion)!;
        this.#settle(stream.add(verified, config));
        this.#requireCredit();
        return;
      }
      default:
        throw unexpected(message.type);
    }
  }

  /** What this node made itself, in this process, it need not check. */
  #open(start: SegmentStartMessage, config: TrackConfig, origin: Origin): IncomingSegment {
    const isOwn = origin.node === this.job.assignment.value.node;
    return isOwn ? new OwnSegment(start, config) : new SegmentVerifier(start, config, this.#rules(origin));
  }

  #takeFrame(verifier: IncomingSegment, frame: Frame): void {
    const part = verifier.push(frame);
    if (part !== undefined) this.stream.addPart(verifier.start, part, verifier.config);
  }

  #rules(origin: Origin): VerifierRules {
    const { statements, domain } = this.#components;
    return {
      stream: this.job.spec.stream,
      origin: origin.node,
      statements,
      domain,
      partTargetMs: this.#partTargetMs,
      maxBytes: this.#limits.segmentBytes,
    };
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

  /** One receipt for each segment of which anything was served; the budget caps what of it is booked as earned. */
  #settle(segments: readonly ServedSegment[]): void {
    const { receipts, logger } = this.#components;
    for (const { sequence, firstFrame, durationMs, leaves } of segments) {
      const served = leaves.reduce((sum, leaf) => sum + leaf.sizeBytes, 0n);
      const isWithin = served <= this.#budget;
      const units = isWithin ? served : this.#budget;
      this.#budget -= units;
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

function needOpen(open: ReadonlyMap<number, IncomingSegment>, rung: number): IncomingSegment {
  const verifier = open.get(rung);
  if (verifier === undefined) throw unexpected("media outside of a segment");
  return verifier;
}

function unexpected(found: string): DeliveryError {
  return new DeliveryError({ code: "DELIVERY_MESSAGE_UNEXPECTED", found });
}
