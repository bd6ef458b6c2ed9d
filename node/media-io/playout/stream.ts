import type { Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";
import type { RenditionInfo } from "@leat/sdk/protocol/stream.ts";
import type { Guarded } from "../access/viewer-access.ts";

/** What is told of a rung's frames, in order and at once. */
export interface StreamFollower {
  config(version: number, config: TrackConfig): void;
  frame(frame: Frame, sequence: number): void;
  /** So many of the newest frames are void; the next key frame is what can be decoded behind them. */
  takeBack(count: number): void;
  end(): void;
}

/** A stream whose frames pass this node: what viewers by frames, not by files, are given. */
export interface PlayedStream {
  /** `ended`: nothing more of it comes to this node. */
  readonly window: { readonly renditions: readonly RenditionInfo[]; readonly ended: boolean };
  readonly frames: {
    /** Begins with the frames since the newest key frame, all at once, until what this gives is called. */
    follow(rung: number, follower: StreamFollower): () => void;
    /** Pictures of the rung refer to later ones, as far as one has shown it. */
    isReordered(rung: number): boolean;
  };
  /** Who may watch it; absent: everybody. */
  readonly guarded?: Guarded;
  readonly isUnbudgeted?: boolean;
  /** A frame of a segment went out to a viewer; who that was is nobody's business. */
  countFrame(rung: number, sequence: number, frame: Pick<Frame, "pts" | "data">): void;
}

export interface PlayedStreams {
  findStream(slug: string): PlayedStream | undefined;
}

/** Counts who watches and what they get, whatever the protocol. */
export interface StreamAudience {
  see(viewer: { readonly ip: string; readonly headers: { readonly "user-agent"?: string | undefined } }): void;
  sent(bytes: number, seconds: number): void;
}
