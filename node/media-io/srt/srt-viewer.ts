import { isCodedError } from "@leat/sdk/base/errors.ts";
import type { Logger } from "@leat/sdk/base/logger.ts";
import { isTsCodec } from "@leat/transcoder/mpegts/track-writers.ts";
import { admitNow } from "../access/viewer-access.ts";
import { chooseTracks } from "../playout/choose-tracks.ts";
import { PlayoutError } from "../playout/errors.ts";
import { SentCount } from "../playout/sent-count.ts";
import type { PlayedStream } from "../playout/stream.ts";
import type { TsFeeds } from "../playout/ts-feed.ts";
import { ViewerQueue } from "../playout/viewer-queue.ts";
import { WatchCheck } from "../playout/watch-check.ts";
import type { SrtPlayout } from "./playout.ts";
import type { SrtPlayTarget } from "./stream-id.ts";

export interface SrtViewerParts {
  readonly address: string;
  readonly target: SrtPlayTarget;
  readonly playout: SrtPlayout;
  readonly feeds: TsFeeds;
  readonly recheckMs: number;
  readonly nowMs: () => number;
  readonly logger: Logger;
  readonly send: (bytes: Uint8Array) => void;
  readonly onSent: (bytes: number) => void;
  /** The stream is over: the connection may go once all has arrived. */
  readonly onFinish: () => void;
  /** The connection may go now, with the code that the viewer is told when it comes back. */
  readonly onEnd: (code: string | undefined) => void;
}

/** SRT names no program. */
const PROGRAM = "srt";

/** One viewer by SRT: asked about, then given its rung as a transport stream until it, the stream or its leave is gone. */
export class SrtViewer {
  readonly #parts: SrtViewerParts;
  #stream: PlayedStream | undefined;
  #queue: ViewerQueue | undefined;
  #check: WatchCheck | undefined;
  #unfollow: (() => void) | undefined;
  #over = false;

  constructor(parts: SrtViewerParts) {
    this.#parts = parts;
  }

  /** Never rejects. */
  async begin(): Promise<void> {
    try {
      const stream = await this.#admit();
      if (!this.#over) this.#follow(stream);
    } catch (error) {
      this.#fail(error);
    }
  }

  taken(bytes: number): void {
    this.#queue?.taken(bytes);
  }

  /** The connection, or the node, is gone. */
  end(code?: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#unfollow?.();
    this.#parts.onEnd(code);
  }

  /** To be called about once a second. */
  tick(): void {
    const { playout, address, nowMs } = this.#parts;
    if (this.#over || this.#stream === undefined) return;
    playout.audienceOf(this.#stream).see({ ip: address, headers: { "user-agent": PROGRAM } });
    // A token ends, and so may what its stream's owner allows.
    if (this.#check?.isDue(nowMs())) this.#admit().catch((error: unknown) => this.#fail(error));
  }

  /** @throws PlayoutError, PlaybackError */
  async #admit(): Promise<PlayedStream> {
    const { target, playout, address } = this.#parts;
    const stream = playout.streams.findStream(target.slug);
    if (stream === undefined) throw new PlayoutError({ code: "PLAYOUT_STREAM_UNKNOWN" });
    if (playout.isPaid(stream)) throw new PlayoutError({ code: "PLAYOUT_STREAM_PAID" });
    const viewer = { token: target.token, address, origin: undefined, protocol: "srt" };
    await admitNow(playout.access, () => stream.guarded, viewer);
    return stream;
  }

  #follow(stream: PlayedStream): void {
    const { target, playout, feeds, recheckMs, nowMs, send, onSent } = this.#parts;
    const tracks = chooseTracks(stream.window.renditions, target.rung, (codec) => isTsCodec({ codec }));
    const audience = playout.audienceOf(stream);
    const count = new SentCount({ stream, audience, onSent });
    const queue = new ViewerQueue({
      send,
      nowMs,
      onSent: ({ frames }) => {
        for (const { rung, frame, sequence } of frames) count.add(rung, frame, sequence);
      },
    });
    this.#stream = stream;
    this.#queue = queue;
    this.#check = new WatchCheck(stream, recheckMs, nowMs());
    this.tick();
    const unfollow = feeds.follow(stream, tracks, {
      piece: (piece) => queue.push(piece),
      end: () => this.#finish(),
    });
    if (this.#over) unfollow();
    else this.#unfollow = unfollow;
  }

  #finish(): void {
    if (this.#over) return;
    this.#queue?.finish();
    this.#unfollow?.();
    this.#unfollow = undefined;
    this.#parts.onFinish();
  }

  #fail(error: unknown): void {
    const { logger } = this.#parts;
    const code = isCodedError(error) ? error.code : undefined;
    if (code === undefined) logger.error("Play by SRT failed", { error });
    else logger.debug("Refuse SRT viewer", { code });
    this.end(code ?? "");
  }
}
