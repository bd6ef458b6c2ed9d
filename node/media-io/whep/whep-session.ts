import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import { type Frame, type TrackConfig, VIDEO_TIMESCALE, type VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { SentCount } from "../playout/sent-count.ts";
import type { PlayedStream, StreamAudience, StreamFollower } from "../playout/stream.ts";
import { WatchCheck } from "../playout/watch-check.ts";
import type { Peer, PeerEvents } from "../webrtc/endpoint.ts";
import { PeerSlot } from "../webrtc/peer-slot.ts";
import { parseRtcp } from "../webrtc/rtcp.ts";
import { isRtcp } from "../webrtc/rtp.ts";
import type { Session } from "../webrtc/sessions.ts";
import type { ChosenTrack, WhepChoice } from "./choose-rungs.ts";
import { WhepError } from "./errors.ts";
import type { FrameCutter } from "./frame-cutter.ts";
import { LossWatch, type Reception } from "./loss-watch.ts";
import { type PacedPacket, Pacer } from "./pacer.ts";
import { PlayClock } from "./play-clock.ts";
import { RtpSender } from "./sender.ts";

export interface WhepSessionParts {
  readonly stream: PlayedStream;
  readonly choice: Pick<WhepChoice, "video" | "audio">;
  readonly viewer: { readonly ip: string; readonly headers: { readonly "user-agent"?: string | undefined } };
  readonly audience: StreamAudience | undefined;
  readonly cutter: FrameCutter;
  readonly clientUfrag: string;
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly connectTimeoutMs: number;
  /** Whether the viewer may still watch: rejects where it may not. Asked again so often. */
  readonly mayWatch: () => Promise<void>;
  readonly recheckMs: number;
  /** The rung to go on with where pictures of the chosen one turn out to refer to later ones. */
  readonly findOther: () => number | undefined;
  readonly logger: Logger;
  /** The viewer connected; throws where there is no place for it any more. */
  readonly onOpen: () => void;
  readonly onSent: (bytes: number) => void;
  readonly onEnd: () => void;
}

const AUDIO_RATE = 48_000;
const REPORT_MS = 1_000;
/**
 * A viewer begins with what came since the newest key frame, at once, if that is no more than this: it would take so
 * long to send that the viewer is no later at the next key frame. Half a megabyte leaves in 0.4 s at the least rate.
 */
const MAX_PRIMER_BYTES = 524_288;
const MAX_PRIMER_FRAMES = 150;
/** Pictures of the primer are shown this far apart: they are only the way to the newest. */
const PRIMER_STEP_TICKS = 90;
/** A wish for a key frame is heard this often. */
const WISH_MS = 500;

/** One viewer: frames as they come, to packets in time, and what it asks for. */
export class WhepSession implements Session, PeerEvents {
  readonly clientUfrag: string;
  readonly #peer = new PeerSlot();
  readonly #parts: WhepSessionParts;
  readonly #startedMs: number;
  readonly #clock = new PlayClock();
  readonly #pacer: Pacer;
  readonly #video: RtpSender | undefined;
  readonly #audio: RtpSender | undefined;
  /** Which pictures are sent. */
  #rung: number | undefined;
  #config: VideoConfig | undefined;
  #primer: { frame: Frame; sequence: number }[] | undefined;
  #needsKey = true;
  /** The newest picture since the viewer last began anew. */
  #last: Pick<Frame, "epoch" | "pts"> | undefined;
  readonly #sent: SentCount;
  readonly #check: WatchCheck;
  #opened = false;
  #over = false;
  #unfollow: (() => void)[] = [];
  #lastReportMs = 0;
  #lastWishMs = Number.NEGATIVE_INFINITY;
  readonly #losses = new LossWatch();

  constructor(parts: WhepSessionParts) {
    this.#parts = parts;
    this.clientUfrag = parts.clientUfrag;
    this.#startedMs = parts.nowMs();
    this.#rung = parts.choice.video?.rung;
    this.#sent = new SentCount(parts);
    this.#check = new WatchCheck(parts.stream, parts.recheckMs, this.#startedMs);
    this.#video = parts.choice.video && this.#senderOf(parts.choice.video, VIDEO_TIMESCALE);
    this.#audio = parts.choice.audio && this.#senderOf(parts.choice.audio, AUDIO_RATE);
    this.#pacer = new Pacer(
      ({ packet, timestamp, marker }) => this.#video?.send(packet, timestamp, marker) ?? false,
      this.#startedMs,
    );
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

  /** The viewer or its stream is gone. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    for (const unfollow of this.#unfollow) unfollow();
    this.#pacer.clear();
    this.#parts.onEnd();
    this.#peer.close();
  }

  open(): void {
    if (this.#opened || this.#over) return;
    this.#opened = true;
    const { stream, choice, audience, viewer, onOpen } = this.#parts;
    this.#guard(onOpen);
    if (this.isOver) return;
    audience?.see(viewer);
    if (choice.audio !== undefined) this.#unfollow.push(stream.frames.follow(choice.audio.rung, this.#soundFollower()));
    this.#begin();
  }

  packet(bytes: Uint8Array): void {
    if (this.#over || !isRtcp(bytes)) return;
    const { video, audio } = this.#parts.choice;
    for (const item of parseRtcp(bytes)) {
      if (item.type === "nack" && item.ssrc === video?.ssrc) this.#video?.resend(item.sequences);
      else if (item.type === "nack" && item.ssrc === audio?.ssrc) this.#audio?.resend(item.sequences);
      else if (item.type === "keyFrame") this.#wishForKey();
      else if (item.type === "receiverReport" && item.ssrc === video?.ssrc) this.#hearLoss(item);
    }
  }

  closed(): void {
    this.end();
  }

  /** To be called every few milliseconds. */
  tick(nowMs: number): void {
    if (this.#over) return;
    if (!this.#opened) {
      if (nowMs - this.#startedMs >= this.#parts.connectTimeoutMs) this.end();
      return;
    }
    this.#pacer.drain(nowMs);
    if (this.#pacer.isBehind(nowMs)) this.#dropToKey();
    if (this.#check.isDue(nowMs)) this.#askAgain();
    if (nowMs - this.#lastReportMs < REPORT_MS) return;
    this.#lastReportMs = nowMs;
    this.#parts.audience?.see(this.#parts.viewer);
    this.#video?.report();
    this.#audio?.report();
  }

  /** A file's viewer is asked with every file; here a token would outlive its end, and a policy its change. */
  #askAgain(): void {
    this.#parts.mayWatch().catch((error: unknown) => {
      if (isCodedError(error)) this.#parts.logger.debug("Viewer may watch no more", { code: error.code });
      else this.#parts.logger.error("Ask about WHEP viewer failed", { error });
      this.end();
    });
  }

  /** Follows the picture from its newest key frame on. */
  #begin(): void {
    if (this.#rung === undefined) return;
    this.#primer = [];
    this.#dropToKey();
    const unfollow = this.#parts.stream.frames.follow(this.#rung, this.#pictureFollower());
    this.#unfollow.push(unfollow);
    const primer = this.#primer;
    this.#primer = undefined;
    if (this.#over) unfollow();
    else this.#guard(() => this.#sendPrimer(primer));
  }

  #pictureFollower(): StreamFollower {
    return {
      config: (_, config) => this.#configure(config),
      frame: (frame, sequence) => {
        if (this.#primer === undefined) this.#guard(() => this.#takePicture(frame, sequence));
        else this.#primer.push({ frame, sequence });
      },
      takeBack: () => this.#dropToKey(),
      end: () => this.end(),
    };
  }

  /**
   * An edge passes on what it cannot read, and whoever hands a picture on answers for all of its viewers: nothing is
   * thrown at it. Behind a picture that cannot be read this viewer goes on with the next key frame.
   */
  #guard(take: () => void): void {
    try {
      take();
    } catch (error) {
      const { logger } = this.#parts;
      if (error instanceof BitstreamError) {
        logger.debug("Leave out picture for WHEP viewer", { code: error.code });
        this.#dropToKey();
        return;
      }
      if (error instanceof WhepError && error.code === "WHEP_PICTURES_REORDERED" && this.#moveOn()) return;
      if (isCodedError(error)) logger.info("End WHEP session", { code: error.code });
      else logger.error("Serve WHEP viewer failed", { error });
      this.end();
    }
  }

  /** A rung's first pictures do not show that others refer to later ones. False where no rung is known without them. */
  #moveOn(): boolean {
    const other = this.#parts.findOther();
    if (other === undefined || other === this.#rung) return false;
    this.#unfollow.pop()?.();
    this.#rung = other;
    this.#config = undefined;
    this.#begin();
    return true;
  }

  #soundFollower(): StreamFollower {
    return {
      config: () => {},
      frame: (frame, sequence) => this.#takeSound(frame, sequence),
      takeBack: () => {},
      end: () => {},
    };
  }

  #configure(config: TrackConfig): void {
    if (config.kind === "video") this.#config = config;
    this.#needsKey = true;
  }

  /**
   * What leads to the newest picture, with times just before it: the viewer decodes it at once, begins without a wait
   * and is not behind by it.
   */
  #sendPrimer(primer: readonly { frame: Frame; sequence: number }[]): void {
    const newest = primer.at(-1)?.frame;
    const bytes = primer.reduce((sum, { frame }) => sum + frame.data.length, 0);
    const isShort = bytes <= MAX_PRIMER_BYTES && primer.length <= MAX_PRIMER_FRAMES;
    if (newest === undefined || primer[0]?.frame.key !== true || !isShort) return;
    this.#needsKey = false;
    const sender = this.#video!;
    const wallMs = this.#clock.tell(newest, VIDEO_TIMESCALE);
    for (const [index, { frame, sequence }] of primer.entries()) {
      const before = (primer.length - 1 - index) * PRIMER_STEP_TICKS;
      this.#queue(frame, sequence, sender.stamp(sender.ticksAt(wallMs) - before, wallMs));
    }
  }

  #takePicture(frame: Frame, sequence: number): void {
    if (this.#over || (this.#needsKey && !frame.key)) return;
    this.#needsKey = false;
    const sender = this.#video!;
    const wallMs = this.#clock.tell(frame, VIDEO_TIMESCALE);
    this.#queue(frame, sequence, sender.stamp(sender.ticksAt(wallMs), wallMs));
  }

  #queue(frame: Frame, sequence: number, timestamp: number): void {
    const rung = this.#rung;
    if (this.#config === undefined || rung === undefined) return;
    if (frame.epoch === this.#last?.epoch && frame.pts < this.#last.pts) {
      throw new WhepError({ code: "WHEP_PICTURES_REORDERED" });
    }
    this.#last = frame;
    const nowMs = this.#parts.nowMs();
    const packets = this.#parts.cutter.cutPicture(this.#config, frame);
    let left = packets.length;
    let isWhole = true;
    const onSent = (wentOut: boolean) => {
      left -= 1;
      isWhole &&= wentOut;
      if (left === 0 && isWhole) this.#sent.add(rung, frame, sequence);
    };
    const last = packets.length - 1;
    const paced = packets.map(
      (packet, index): PacedPacket => ({ packet, timestamp, marker: index === last, queuedMs: nowMs, onSent }),
    );
    this.#pacer.push(paced, nowMs);
  }

  #takeSound(frame: Frame, sequence: number): void {
    const sender = this.#audio;
    if (this.#over || sender === undefined) return;
    const wallMs = this.#clock.tell(frame, AUDIO_RATE);
    const timestamp = sender.stamp(sender.ticksAt(wallMs), wallMs);
    // Sound is a few packets a second, and heard at once where it is late.
    const wentOut = sender.send(this.#parts.cutter.cutSound(frame), timestamp, false);
    if (wentOut) this.#sent.add(this.#parts.choice.audio!.rung, frame, sequence);
  }

  /** Begins anew from the newest key frame where that is near, else at the next one. */
  #wishForKey(): void {
    const nowMs = this.#parts.nowMs();
    if (nowMs - this.#lastWishMs < WISH_MS || this.#parts.choice.video === undefined) return;
    this.#lastWishMs = nowMs;
    this.#unfollow.pop()?.();
    this.#begin();
  }

  #hearLoss(reception: Reception): void {
    if (this.#losses.hear(reception, this.#parts.nowMs())) this.#dropToKey();
  }

  #dropToKey(): void {
    this.#pacer.clear();
    this.#needsKey = true;
    this.#last = undefined;
  }

  #senderOf({ ssrc, codec, playoutDelayId }: ChosenTrack, rate: number): RtpSender {
    return new RtpSender({
      ssrc,
      playoutDelayId,
      payloadType: codec.payloadType,
      rate,
      firstSequence: Math.floor(this.#parts.random() * 2 ** 15),
      firstTimestamp: Math.floor(this.#parts.random() * 2 ** 32),
      send: (packet) => this.#peer.send(packet),
    });
  }
}
