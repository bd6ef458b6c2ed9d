import type { Clock } from "@leat/node/kernel/clock.ts";
import { PART_TARGET_MS } from "@leat/node/media/packager.ts";
import type { MayWork } from "@leat/node/services/payment/index.ts";
import type { BoundaryMessage, MediaConnection, MediaMessage } from "@leat/node/wire/media/message.ts";
import { CodedError } from "@leat/sdk/base/errors.ts";
import type { Frame, SourceVideoConfig, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { pricedPullOf, type TranscodeSpec } from "@leat/sdk/protocol/job.ts";
import { SOURCE_RUNG } from "@leat/sdk/protocol/stream.ts";
import type { LiveSpec } from "@leat/transcoder/engine.ts";
import type { LiveTranscode, LiveTranscodeEvents } from "@leat/transcoder/supervisor.ts";
import type { AssignedJob } from "../jobs/job-desk.ts";
import { Outgoing } from "../jobs/outgoing.ts";
import type { PackSegment } from "../jobs/packed-segment.ts";
import type { ReceiptBook } from "../jobs/receipt-book.ts";
import { SegmentWork } from "./segment-work.ts";

export class TranscodingError extends CodedError<
  | { code: "TRANSCODING_ORIGIN_REFUSED"; reason: string }
  | { code: "TRANSCODING_ORIGIN_LOST" }
  | { code: "TRANSCODING_ORIGIN_CHANGED" }
  | { code: "TRANSCODING_MESSAGE_UNEXPECTED"; found: string }
  | { code: "TRANSCODING_CREDIT_EXHAUSTED"; reason: MayWork }
  | { code: "TRANSCODING_SEGMENT_REFUSED"; sequence: number; reason: string }
  | { code: "TRANSCODING_WORKER_LOST"; reason: string }
  | { code: "TRANSCODING_ENDED" }
> {}

export interface SessionComponents {
  /** Starts a worker: `startLiveTranscode`, or something that wraps it. */
  readonly startTranscode: (spec: LiveSpec, events: LiveTranscodeEvents) => LiveTranscode;
  readonly pack: PackSegment;
  readonly receipts: ReceiptBook;
  readonly mayWork: () => MayWork;
  readonly clock: Clock;
}

export interface SessionLimits {
  readonly outgoingBytes: number;
  readonly creditWaitMs: number;
  readonly verdictWaitMs: number;
}

/** What outlives one connection: where the job stands, and what the origin has not judged yet. */
export interface JobProgress {
  nextSequence: number;
  begun: number | null;
  /** Output of segments whose receipt is signed: sent again as it is, since a second receipt would be a lie. */
  readonly unjudged: Map<number, MediaMessage[]>;
}

/** How often the balance is looked at while a job waits for a voucher. */
const creditPollMs = 100;
/** Somebody else was faster, it is too old to be shown, or nothing is left to judge it by: no fault, and no pay. */
const passedOver: readonly (string | undefined)[] = [
  "INGEST_SEGMENT_PUBLISHED",
  "INGEST_SEGMENT_TOO_LATE",
  "INGEST_SOURCE_GONE",
];

/** One subscription at one origin, with one worker. */
export class TranscodeSession {
  readonly #job: AssignedJob<TranscodeSpec>;
  readonly #connection: MediaConnection;
  readonly #components: SessionComponents;
  readonly #limits: SessionLimits;
  readonly #progress: JobProgress;
  readonly #outgoing: Outgoing;
  readonly #segments = new Map<number, SegmentWork>();
  readonly #made = new Map<number, MediaMessage[]>();
  readonly #sourceConfigs = new Map<number, SourceVideoConfig>();
  readonly #configs = new Map<number, { version: number; config: VideoConfig }>();
  #worker: LiveTranscode | undefined;
  #workerGone: Promise<void> = Promise.resolve();
  #finishing: Promise<void> = Promise.resolve();
  #failure: Error | undefined;
  #partTargetMs = PART_TARGET_MS;
  #judged: (() => void)[] = [];

  constructor(
    job: AssignedJob<TranscodeSpec>,
    connection: MediaConnection,
    components: SessionComponents,
    limits: SessionLimits,
    progress: JobProgress,
  ) {
    this.#job = job;
    this.#connection = connection;
    this.#components = components;
    this.#limits = limits;
    this.#progress = progress;
    this.#outgoing = new Outgoing(connection, limits.outgoingBytes);
  }

  /** Resolves when the stream is over and all its segments are judged. Rejects when it cannot go on here. */
  async run(): Promise<void> {
    try {
      await this.#exchange();
    } catch (error) {
      throw this.#failure ?? error;
    } finally {
      this.#failure ??= new TranscodingError({ code: "TRANSCODING_ENDED" });
      this.#worker?.kill();
      this.#connection.abort(this.#failure);
      await this.#finishing.catch(() => {});
      await this.#workerGone;
    }
  }

  /** Ends at once; `run` rejects with `error`. */
  stop(error: Error): void {
    this.#fail(error);
  }

  async #exchange(): Promise<void> {
    const { assignment, quote, spec } = this.#job;
    const fromSequence = this.#progress.nextSequence;
    await this.#connection.send({ type: "subscribe", assignment, quote, spec: pricedPullOf(spec), fromSequence });
    let accepted = false;
    let over: Promise<void> | undefined;
    for await (const message of this.#connection.messages) {
      if (this.#failure !== undefined) throw this.#failure;
      if (!accepted) {
        if (message.type === "refused") {
          throw new TranscodingError({ code: "TRANSCODING_ORIGIN_REFUSED", reason: message.code });
        }
        if (message.type !== "accepted") throw unexpected(message);
        accepted = true;
        for (const messages of this.#progress.unjudged.values())
          for (const made of messages) this.#outgoing.enqueue(made);
      } else if (message.type === "end") {
        over = this.#complete();
        // Verdicts still come in while the last segments go out; the failure of either ends both.
        over.catch((error: unknown) => this.#fail(error as Error));
      } else await this.#take(message);
    }
    if (over === undefined) throw new TranscodingError({ code: "TRANSCODING_ORIGIN_LOST" });
    await over;
  }

  async #take(message: MediaMessage): Promise<void> {
    switch (message.type) {
      case "description":
        this.#partTargetMs = message.partTargetMs;
        return;
      case "config":
        if (message.rung !== SOURCE_RUNG || message.config.kind !== "video") throw unexpected(message);
        return this.#takeConfig(message.version, message.config);
      case "boundary":
        return this.#takeBoundary(message);
      case "frame":
        return this.#takeFrame(message.sequence, message.frame);
      case "segmentEnd":
        if (message.rung !== SOURCE_RUNG) throw unexpected(message);
        return this.#needWorker().push({ type: "segmentEnd" });
      case "verdict":
        return this.#takeVerdict(message.sequence, message.ok, message.code);
      default:
        throw unexpected(message);
    }
  }

  async #takeConfig(version: number, config: SourceVideoConfig): Promise<void> {
    this.#sourceConfigs.set(version, config);
    if (this.#worker === undefined) this.#startWorker(config);
    else await this.#worker.push({ type: "config", version, config });
  }

  async #takeBoundary({ boundary, firstPart }: BoundaryMessage): Promise<void> {
    const rungs = this.#job.spec.rungs.map(({ rung }) => rung);
    await this.#waitForCredit();
    this.#progress.begun = boundary.sequence;
    this.#segments.set(boundary.sequence, new SegmentWork(boundary, rungs, firstPart));
    await this.#needWorker().push({ type: "boundary", boundary });
  }

  async #takeFrame(sequence: number, frame: Frame): Promise<void> {
    const config = this.#sourceConfigs.get(frame.configVersion);
    if (config === undefined) {
      throw new TranscodingError({ code: "TRANSCODING_MESSAGE_UNEXPECTED", found: "frame before its config" });
    }
    // What is signed for is packed without any.
    if (frame.tags !== undefined) throw new TranscodingError({ code: "TRANSCODING_MESSAGE_UNEXPECTED", found: "tags" });
    this.#segments.get(sequence)?.addSource(frame, config);
    await this.#outgoing.room();
    await this.#needWorker().push({ type: "frame", frame });
  }

  #takeVerdict(sequence: number, ok: boolean, code: string | undefined): void {
    this.#progress.unjudged.delete(sequence);
    for (const wake of this.#judged.splice(0)) wake();
    if (ok || passedOver.includes(code)) return;
    throw new TranscodingError({ code: "TRANSCODING_SEGMENT_REFUSED", sequence, reason: code ?? "" });
  }

  /** Work stops at the credit limit; a voucher that is on its way may still come. */
  async #waitForCredit(): Promise<void> {
    const { clock, mayWork } = this.#components;
    const until = clock.nowMs() + this.#limits.creditWaitMs;
    for (let reason = mayWork(); reason !== "ok"; reason = mayWork()) {
      if (clock.nowMs() >= until) throw new TranscodingError({ code: "TRANSCODING_CREDIT_EXHAUSTED", reason });
      await clock.sleep(creditPollMs);
      if (this.#failure !== undefined) throw this.#failure;
    }
  }

  #startWorker(source: SourceVideoConfig): void {
    const { rungs } = this.#job.spec;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#workerGone = promise;
    this.#worker = this.#components.startTranscode(
      { source, rungs },
      {
        config: (index, version, config) => {
          this.#configs.set(index, { version, config });
          this.#announce(index, version, config);
        },
        frame: (index, sequence, frame) => this.#takeOutput(index, sequence, frame),
        segmentEnd: (index, sequence) => this.#endRung(index, sequence),
        error: () => {},
        exit: (error) => {
          resolve();
          if (error !== undefined)
            this.#fail(new TranscodingError({ code: "TRANSCODING_WORKER_LOST", reason: error.code }, { cause: error }));
        },
      },
    );
  }

  #announce(index: number, version: number, config: VideoConfig): void {
    this.#outgoing.enqueue({ type: "config", rung: this.#job.spec.rungs[index]!.rung, version, config });
  }

  #takeOutput(index: number, sequence: number, frame: Frame): void {
    const made = this.#configs.get(index);
    const segment = this.#segments.get(sequence);
    if (made === undefined || segment === undefined) return;
    const rung = this.#job.spec.rungs[index]!.rung;
    segment.addOutput(index, frame, made.config);
    const kept = this.#made.get(sequence) ?? [];
    this.#made.set(sequence, kept);
    if (!kept.some((message) => message.type === "config" && message.rung === rung)) {
      kept.push({ type: "config", rung, ...made });
    }
    const message: MediaMessage = { type: "frame", rung, sequence, frame };
    kept.push(message);
    this.#outgoing.enqueue(message);
  }

  #endRung(index: number, sequence: number): void {
    const segment = this.#segments.get(sequence);
    if (segment?.endRung(index) !== true) return;
    this.#segments.delete(sequence);
    const made = this.#made.get(sequence) ?? [];
    this.#made.delete(sequence);
    this.#finishing = this.#finishing.then(() => this.#finish(segment, made));
    this.#finishing.catch((error: unknown) => this.#fail(error as Error));
  }

  async #finish(segment: SegmentWork, made: MediaMessage[]): Promise<void> {
    const work = segment.finish(this.#components.pack, this.#partTargetMs);
    if (work === undefined || this.#failure !== undefined) return;
    const receipt = await this.#components.receipts.issue(this.#job, work);
    const message: MediaMessage = { type: "receipt", receipt, leaves: work.leaves };
    made.push(message);
    this.#progress.unjudged.set(work.sequence, made);
    this.#progress.nextSequence = Math.max(this.#progress.nextSequence, work.sequence + 1);
    this.#outgoing.enqueue(message);
  }

  /** The source is over: everything comes out, is sent and judged. */
  async #complete(): Promise<void> {
    await this.#worker?.end();
    await this.#finishing;
    await this.#outgoing.flushed();
    const patience = AbortSignal.timeout(this.#limits.verdictWaitMs);
    while (this.#progress.unjudged.size > 0 && !patience.aborted && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#judged.push(resolve);
        patience.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
    await this.#connection.close();
  }

  #needWorker(): LiveTranscode {
    if (this.#worker === undefined) {
      throw new TranscodingError({ code: "TRANSCODING_MESSAGE_UNEXPECTED", found: "media before its config" });
    }
    return this.#worker;
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    for (const wake of this.#judged.splice(0)) wake();
    this.#worker?.kill();
    this.#connection.abort(error);
  }
}

function unexpected(message: MediaMessage): TranscodingError {
  return new TranscodingError({ code: "TRANSCODING_MESSAGE_UNEXPECTED", found: message.type });
}
