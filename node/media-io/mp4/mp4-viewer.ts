import type { ServerResponse } from "node:http";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { type Frame, isSameConfig, VIDEO_TIMESCALE } from "@leat/sdk/protocol/frame.ts";
import type { Piece, SentFrame } from "../playout/piece.ts";
import { SentCount } from "../playout/sent-count.ts";
import type { PlayedStream, StreamAudience } from "../playout/stream.ts";
import { ViewerQueue } from "../playout/viewer-queue.ts";
import { WatchCheck } from "../playout/watch-check.ts";
import { askAgain } from "./ask-again.ts";
import { type Mp4Track, Mp4Writer } from "./mp4-writer.ts";

/** Who takes a file, and who is told of it. */
export interface FileTaker {
  readonly viewer: { readonly ip: string; readonly headers: { readonly "user-agent"?: string | undefined } };
  readonly audience: StreamAudience | undefined;
  /** Whether the viewer may still watch: rejects where it may not. */
  readonly mayWatch: () => Promise<void>;
  readonly recheckMs: number;
  readonly nowMs: () => number;
  readonly logger: Logger;
  readonly onSent: (bytes: number) => void;
  readonly onEnd: () => void;
}

export interface Mp4ViewerParts extends FileTaker {
  readonly stream: PlayedStream;
  readonly tracks: readonly [Mp4Track, ...Mp4Track[]];
  readonly response: ServerResponse;
}

/** Sound is made at once and pictures are not: a file begins with the first that its sound did not pass before. */
const LONGEST_SOUND_WAIT_MS = 6_000;
/** Twenty seconds of most codecs: pictures that are later have no sound at first. */
const MAX_EARLY_SOUNDS = 1_024;
/** A key frame without so much of its sound will do: sound may begin a little later than its picture anywhere. */
const UNHEARD_S = 0.5;
/** Who does not take the rest of a file that is over is let go of. */
const LINGER_MS = 10_000;

/** One viewer's endless file, from the next key frame on, until it, the stream, its leave or a configuration is gone. */
export class Mp4Viewer {
  readonly #parts: Mp4ViewerParts;
  readonly #writer: Mp4Writer;
  readonly #queue: ViewerQueue;
  readonly #check: WatchCheck;
  readonly #hasPictures: boolean;
  readonly #unfollow: (() => void)[] = [];
  #needsKey: boolean;
  /** What was before the viewer came is past. */
  #beginning = true;
  /** Of the first picture. */
  #firstEpoch: number | undefined;
  /** The piece that a player begins with is out. */
  #isEntered: boolean;
  /** Sound from before that. */
  #early: SentFrame[] = [];
  readonly #since: number;
  #over = false;

  constructor(parts: Mp4ViewerParts) {
    const { stream, tracks, response, audience, onSent, recheckMs, nowMs } = parts;
    const count = new SentCount({ stream, audience, onSent });
    this.#parts = parts;
    this.#writer = new Mp4Writer(tracks);
    this.#hasPictures = tracks[0].config.kind === "video";
    this.#needsKey = this.#hasPictures;
    this.#isEntered = !this.#hasPictures;
    this.#since = nowMs();
    this.#check = new WatchCheck(stream, recheckMs, this.#since);
    this.#queue = new ViewerQueue({
      send: (bytes) => void response.write(bytes, (error) => error == null && this.#queue.taken(bytes.length)),
      nowMs,
      onSent: ({ frames }) => {
        for (const { rung, frame, sequence } of frames) count.add(rung, frame, sequence);
      },
    });
  }

  begin(): void {
    const { stream, tracks, response } = this.#parts;
    response.once("close", () => this.cut());
    response.write(this.#writer.init);
    this.tick();
    for (const track of tracks) this.#unfollow.push(stream.frames.follow(track.rung, this.#followerOf(track)));
    this.#beginning = false;
    if (this.#over) this.#unfollowAll();
  }

  /** To be called about once a second. */
  tick(): void {
    const { audience, viewer, mayWatch, nowMs, logger } = this.#parts;
    if (this.#over) return;
    if (this.#queue.isStalled(nowMs())) {
      this.cut();
      return;
    }
    audience?.see(viewer);
    if (this.#check.isDue(nowMs())) askAgain(mayWatch, this, logger);
  }

  /** Cuts it off, so that nobody takes it for all of the stream: the response has no end. */
  cut(): void {
    if (this.#leave()) this.#parts.response.destroy();
  }

  #followerOf({ rung, config: known }: Mp4Track): Parameters<PlayedStream["frames"]["follow"]>[1] {
    return {
      // A file has one configuration for each track: the player asks again.
      config: (_, config) => {
        if (!isSameConfig(config, known)) this.#finish();
      },
      frame: (frame, sequence) => {
        const isPicture = frame.kind === "video";
        if (this.#beginning || this.#over || (isPicture && this.#needsKey && !frame.key)) return;
        if (isPicture && this.#firstEpoch === undefined && this.#isUnheard(frame)) return;
        const sent = { rung, sequence, frame };
        if (!isPicture) return this.#isEntered ? this.#write(sent) : this.#hold(sent);
        this.#firstEpoch ??= frame.epoch;
        this.#needsKey = false;
        this.#write(sent);
      },
      takeBack: () => {
        this.#needsKey = this.#hasPictures;
      },
      end: () => this.#finish(),
    };
  }

  #hold(sound: SentFrame): void {
    this.#early.push(sound);
    if (this.#early.length > MAX_EARLY_SOUNDS) this.#early.shift();
  }

  /** Whether what sounds with the picture passed before the viewer came. Not for ever: its transcoder may be far behind. */
  #isUnheard(picture: Frame): boolean {
    const first = this.#early[0]?.frame;
    if (first === undefined || this.#parts.nowMs() - this.#since >= LONGEST_SOUND_WAIT_MS) return false;
    if (first.epoch !== picture.epoch) return first.epoch > picture.epoch;
    return this.#secondsOf(picture) + UNHEARD_S < this.#secondsOf(first);
  }

  /** When it shows or sounds, in its epoch. */
  #secondsOf({ kind, pts }: Frame): number {
    const sound = this.#parts.tracks.find(({ config }) => config.kind === "audio");
    return pts / (kind === "audio" ? sound!.config.timescale : VIDEO_TIMESCALE);
  }

  #write(sent: SentFrame): void {
    const piece = this.#writer.push(sent);
    if (piece !== undefined) this.#push(piece);
  }

  /** What sounded before the first picture has no place on the file's clock. */
  #push(piece: Piece): void {
    this.#queue.push(piece);
    if (this.#isEntered) return;
    this.#isEntered = true;
    for (const sound of this.#early.splice(0)) if (sound.frame.epoch >= this.#firstEpoch!) this.#write(sound);
  }

  /** Nothing more comes: what is there is still sent. */
  #finish(): void {
    if (this.#over) return;
    for (const piece of this.#writer.finish()) this.#push(piece);
    // Sound that waited for the first of them.
    for (const piece of this.#writer.finish()) this.#push(piece);
    this.#queue.finish();
    this.#leave();
    const { response } = this.#parts;
    response.setTimeout(LINGER_MS, () => response.destroy());
    response.end();
  }

  /** False where it has left before. */
  #leave(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#unfollowAll();
    this.#parts.onEnd();
    return true;
  }

  #unfollowAll(): void {
    for (const unfollow of this.#unfollow.splice(0)) unfollow();
  }
}
