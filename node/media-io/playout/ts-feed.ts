import { BitstreamError } from "@leat/sdk/protocol/bitstream/bit-reader.ts";
import type { AudioConfig, Frame, TrackConfig, VideoConfig } from "@leat/sdk/protocol/frame.ts";
import { TsMuxer } from "@leat/transcoder/mpegts/muxer.ts";
import type { ChosenTracks } from "./choose-tracks.ts";
import { ContinuousClock } from "./continuous-clock.ts";
import type { PieceFollower } from "./piece.ts";
import type { PlayedStream, StreamFollower } from "./stream.ts";

/** One rung and its sound as a transport stream, written once for all who take it. It lives while somebody does. */
class TsFeed {
  readonly followers = new Set<PieceFollower>();
  readonly #clock = new ContinuousClock();
  readonly #tracks: ChosenTracks;
  readonly #unfollow: (() => void)[] = [];
  #configs: { video?: VideoConfig; audio?: AudioConfig } = {};
  #muxer: TsMuxer | undefined;
  #needsKey = true;
  #beginning = true;
  #over = false;

  constructor({ frames }: Pick<PlayedStream, "frames">, tracks: ChosenTracks) {
    this.#tracks = tracks;
    try {
      for (const rung of [tracks.video, tracks.audio]) {
        if (rung !== undefined) this.#unfollow.push(frames.follow(rung, this.#followerOf(rung)));
      }
    } catch (error) {
      this.stop();
      throw error;
    }
    this.#beginning = false;
  }

  get isOver(): boolean {
    return this.#over;
  }

  stop(): void {
    for (const unfollow of this.#unfollow) unfollow();
  }

  #followerOf(rung: number): StreamFollower {
    return {
      config: (_, config) => this.#configure(config),
      frame: (frame, sequence) => this.#take(rung, frame, sequence),
      takeBack: () => {
        this.#needsKey = true;
      },
      end: () => this.#end(),
    };
  }

  #configure(config: TrackConfig): void {
    this.#configs = { ...this.#configs, [config.kind]: config };
    const isComplete = this.#tracks.video === undefined || this.#configs.video !== undefined;
    if (config.kind === "video") this.#needsKey = true;
    // What cannot be written is left out: whoever hands frames on answers for other viewers too.
    this.#guard(() => {
      if (this.#muxer !== undefined) this.#muxer.configure(this.#configs);
      else if (isComplete) this.#muxer = new TsMuxer(this.#configs);
    });
  }

  #take(rung: number, frame: Frame, sequence: number): void {
    // What came before its followers did is past: they begin with the next key frame.
    if (this.#beginning || this.#muxer === undefined) return;
    const config = this.#configs[frame.kind];
    if (config === undefined) return;
    if (frame.kind === "video" && this.#needsKey && !frame.key) return;
    this.#guard(() => {
      const { kind, key, data } = frame;
      const placed = this.#clock.place(frame, config.timescale);
      if (placed === undefined) return;
      const bytes = this.#muxer!.write({ kind, key, data, ...placed });
      if (kind === "video") this.#needsKey = false;
      if (bytes.length === 0) return;
      const isEntry = this.#tracks.video === undefined ? beginsWithTables(bytes) : kind === "video" && key;
      const piece = { bytes, isEntry, frames: [{ rung, sequence, frame }] };
      for (const follower of [...this.followers]) follower.piece(piece);
    });
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof BitstreamError)) throw error;
      this.#needsKey = true;
    }
  }

  #end(): void {
    this.#over = true;
    this.stop();
    for (const follower of [...this.followers]) follower.end();
    this.followers.clear();
  }
}

/** The feeds of all streams that somebody takes as a transport stream. */
export class TsFeeds {
  readonly #feeds = new WeakMap<PlayedStream, Map<string, TsFeed>>();

  /** Pieces from now on, until what this gives is called. @throws MPEGTS_CODEC_UNSUPPORTED */
  follow(stream: PlayedStream, tracks: ChosenTracks, follower: PieceFollower): () => void {
    const feeds = this.#feeds.get(stream) ?? new Map<string, TsFeed>();
    this.#feeds.set(stream, feeds);
    const key = `${tracks.video} ${tracks.audio}`;
    const feed = feeds.get(key) ?? new TsFeed(stream, tracks);
    if (feed.isOver) {
      follower.end();
      return () => {};
    }
    feeds.set(key, feed);
    feed.followers.add(follower);
    return () => {
      feed.followers.delete(follower);
      if (feed.followers.size > 0 || feeds.get(key) !== feed) return;
      feed.stop();
      feeds.delete(key);
    };
  }
}

function beginsWithTables(bytes: Uint8Array): boolean {
  return (bytes[1]! & 0x1f) === 0 && bytes[2] === 0;
}
