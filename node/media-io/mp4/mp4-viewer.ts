import type { ServerResponse } from "node:http";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { isSameConfig } from "@leat/sdk/protocol/frame.ts";
import type { Piece } from "../playout/piece.ts";
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
  #begun = false;
  #over = false;

  constructor(parts: Mp4ViewerParts) {
    const { stream, tracks, response, audience, onSent, recheckMs, nowMs } = parts;
    const count = new SentCount({ stream, audience, onSent });
    this.#parts = parts;
    this.#writer = new Mp4Writer(tracks);
    this.#hasPictures = tracks[0].config.kind === "video";
    this.#needsKey = this.#hasPictures;
    this.#check = new WatchCheck(stream, recheckMs, nowMs());
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
        if (isPicture) this.#needsKey = false;
        this.#begun ||= isPicture || !this.#hasPictures;
        if (this.#begun) this.#push(this.#writer.push({ rung, sequence, frame }));
      },
      takeBack: () => {
        this.#needsKey = this.#hasPictures;
      },
      end: () => this.#finish(),
    };
  }

  #push(piece: Piece | undefined): void {
    if (piece !== undefined) this.#queue.push(piece);
  }

  /** Nothing more comes: what is there is still sent. */
  #finish(): void {
    if (this.#over) return;
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
