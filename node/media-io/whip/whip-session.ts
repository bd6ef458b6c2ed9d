import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import type { PublishItem } from "@leat/sdk/protocol/published.ts";
import { type PublishSink, passItems } from "../publish-sink.ts";
import type { Peer, PeerEvents } from "../webrtc/endpoint.ts";
import { WebrtcError } from "../webrtc/errors.ts";
import type { WebrtcOptions } from "../webrtc/options.ts";
import { PeerSlot } from "../webrtc/peer-slot.ts";
import { writeNack, writePli, writeRemb } from "../webrtc/rtcp.ts";
import type { Session } from "../webrtc/sessions.ts";
import { WhipError } from "./errors.ts";
import { type MediaCodecs, MediaIntake } from "./media-intake.ts";

export interface WhipSessionParts {
  readonly sink: PublishSink;
  readonly codecs: MediaCodecs;
  readonly clientUfrag: string;
  readonly nowMs: () => number;
  readonly logger: Logger;
  /** Comes once, whoever ended it. */
  readonly onEnd: () => void;
}

export type WhipSessionOptions = Pick<WebrtcOptions, "connectTimeoutMs" | "idleMs" | "keyFrameMs" | "maxBitrate">;

/** We send nothing of our own, and reports name somebody. */
const OUR_SSRC = 1;
const REPORT_MS = 1_000;
/** A key frame takes a while to come: asked for more often it costs the publisher bits and brings nothing. */
const ASK_KEY_MS = 400;
/** As long as a stream waits for a publisher whose connection was lost. */
const PLACE_MS = 30_000;
/** A minute of pictures that a sink did not take. */
const MAX_PENDING = 4_096;

/** One publisher's session: its packets to samples, and what its sender must be told. */
export class WhipSession implements Session, PeerEvents {
  readonly clientUfrag: string;
  readonly #peer = new PeerSlot();
  readonly #parts: WhipSessionParts;
  readonly #options: WhipSessionOptions;
  readonly #intake: MediaIntake;
  readonly #startedMs: number;
  #over = false;
  /** Its publisher was told to post anew, which takes until then. */
  #restartUntilMs = Number.NEGATIVE_INFINITY;
  #openedMs: number | undefined;
  #lastReportMs = 0;
  #lastAskMs = Number.NEGATIVE_INFINITY;
  #delivered: Promise<void> = Promise.resolve();
  #pending = 0;

  constructor(parts: WhipSessionParts, options: WhipSessionOptions) {
    this.#parts = parts;
    this.#options = options;
    this.clientUfrag = parts.clientUfrag;
    this.#startedMs = parts.nowMs();
    this.#intake = new MediaIntake(parts.codecs, this.#startedMs);
  }

  attach(peer: Peer): void {
    this.#peer.attach(peer);
  }

  addCandidates(candidates: readonly string[]): void {
    this.#peer.addCandidates(candidates);
  }

  get isOver(): boolean {
    return this.#over;
  }

  /** Only this publisher knows the session's address. Its place is for the next offer with the same key, whosever it is. */
  refuseRestart(): void {
    if (this.#over) return;
    this.#restartUntilMs = this.#parts.nowMs() + PLACE_MS;
    this.#parts.sink.offerPlace?.(PLACE_MS);
  }

  /** The publisher said goodbye: to this session alone, where it was told to post anew. */
  end(): void {
    this.#finish(this.#parts.nowMs() >= this.#restartUntilMs, undefined);
  }

  /** Ended from here: the publisher may come back. */
  stop(error: unknown): void {
    this.#finish(false, error);
  }

  /** Resolves when the sink has heard the end. */
  get done(): Promise<void> {
    return this.#delivered;
  }

  open(): void {
    this.#openedMs = this.#parts.nowMs();
  }

  packet(bytes: Uint8Array): void {
    if (this.#over) return;
    const nowMs = this.#parts.nowMs();
    this.#guard(() => this.#intake.push(bytes, nowMs));
  }

  closed(): void {
    this.#finish(false, new WebrtcError({ code: "WEBRTC_CONNECTION_LOST" }));
  }

  /** To be called every few milliseconds. */
  tick(nowMs: number): void {
    if (this.#over) return;
    const late = this.#lateness(nowMs);
    if (late !== undefined) this.stop(late);
    if (this.#over || this.#openedMs === undefined) return;
    this.#guard(() => this.#intake.tick(nowMs));
    const { video } = this.#intake;
    const asks = video.asks(nowMs);
    if (asks.length > 0 && video.ssrc !== undefined) this.#peer.send(writeNack(OUR_SSRC, video.ssrc, asks));
    // Sound is not sent again; what is missing of it is only counted.
    this.#intake.audio.asks(nowMs);
    this.#askForKey(nowMs);
    if (nowMs - this.#lastReportMs >= REPORT_MS) this.#sendReports(nowMs);
  }

  #lateness(nowMs: number): WebrtcError | WhipError | undefined {
    const { connectTimeoutMs, idleMs } = this.#options;
    if (this.#openedMs !== undefined) {
      const isIdle = nowMs - (this.#intake.lastMediaMs ?? this.#openedMs) >= idleMs;
      return isIdle ? new WhipError({ code: "WHIP_IDLE", timeoutMs: idleMs }) : undefined;
    }
    if (nowMs - this.#startedMs < connectTimeoutMs) return undefined;
    return new WebrtcError({ code: "WEBRTC_CONNECT_TIMEOUT", timeoutMs: connectTimeoutMs });
  }

  /** A viewer cannot go on without one. */
  requestKey(): void {
    this.#askForKey(this.#parts.nowMs(), true);
  }

  #askForKey(nowMs: number, isWanted = false): void {
    const { ssrc } = this.#intake.video;
    if (ssrc === undefined || nowMs - this.#lastAskMs < ASK_KEY_MS) return;
    const ageMs = nowMs - (this.#intake.lastKeyMs ?? Number.NEGATIVE_INFINITY);
    if (!isWanted && !this.#intake.needsKey && ageMs < this.#options.keyFrameMs) return;
    this.#lastAskMs = nowMs;
    this.#peer.send(writePli(OUR_SSRC, ssrc));
  }

  #sendReports(nowMs: number): void {
    this.#lastReportMs = nowMs;
    const { video, audio } = this.#intake;
    for (const reception of [video, audio]) {
      const report = reception.receiverReport(OUR_SSRC, nowMs);
      if (report !== undefined) this.#peer.send(report);
    }
    if (video.ssrc !== undefined) this.#peer.send(writeRemb(OUR_SSRC, video.ssrc, this.#options.maxBitrate));
  }

  #guard(read: () => readonly PublishItem[]): void {
    try {
      for (const item of read()) this.#deliver(item);
    } catch (error) {
      this.stop(error);
    }
  }

  /** One after the other: a sink that takes its time holds up its own publisher, up to a bound. */
  #deliver(item: PublishItem): void {
    this.#pending += 1;
    if (this.#pending > MAX_PENDING) throw new WhipError({ code: "WHIP_SINK_BEHIND", limit: MAX_PENDING });
    this.#delivered = this.#delivered.then(async () => {
      this.#pending -= 1;
      if (this.#over) return;
      try {
        await passItems(this.#parts.sink, [item]);
      } catch (error) {
        this.stop(error);
      }
    });
  }

  #finish(clean: boolean, error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    const { sink, logger, onEnd } = this.#parts;
    const code = isCodedError(error) ? error.code : undefined;
    if (error !== undefined && code === undefined) logger.error("Serve WHIP publisher failed", { error });
    else logger.info("End WHIP session", { code, malformedPackets: this.#intake.malformed });
    this.#delivered = this.#delivered.then(async () => {
      try {
        await sink.end({ clean });
      } catch (failure) {
        logger.error("End WHIP publish failed", { error: failure });
      }
    });
    onEnd();
    this.#peer.close();
  }
}
