import type { Frame, TrackConfig } from "@leat/sdk/protocol/frame.ts";

/**
 * What whoever follows a rung is told, in order and at once. Nobody waits for a follower: one that is slow drops what it
 * likes, on its own side.
 */
export interface FrameFollower {
  /** Holds for the frames that follow and name this version. Comes before the first of them. */
  config(version: number, config: TrackConfig): void;
  /** In decode order; `sequence` is the segment. At an edge the origin's mark of its part comes up to a part later. */
  frame(frame: Frame, sequence: number): void;
  /**
   * The newest `count` frames are void: their transcoder died before their part was whole, and another makes them anew,
   * beginning with a key frame; or an edge had them from a holder that is not believed. Times go back; whoever decodes
   * goes on with the next key frame.
   */
  takeBack(count: number): void;
  end(): void;
}

/** Frames of a stream's rungs as they pass a node: at its origin as they are encoded, at an edge as they come. */
export interface LiveFrames {
  /**
   * Begins with the frames since the newest key frame, then goes on with each as it comes, until what this gives back is
   * called. A rung that has no frame yet, or never gets one, is followed all the same.
   */
  follow(rung: number, follower: FrameFollower): () => void;
}

interface RelayedRung {
  readonly followers: Set<FrameFollower>;
  config: { readonly version: number; readonly config: TrackConfig } | undefined;
  /** Since the newest key frame. */
  group: { readonly frame: Frame; readonly sequence: number }[];
}

/** Hands frames on to whoever follows them. A follower that throws is told the end, and does no other any harm. */
export class FrameRelay implements LiveFrames {
  readonly #rungs = new Map<number, RelayedRung>();
  readonly #onFault: (error: unknown) => void;
  readonly #onFollowers: () => void;
  #ended = false;

  /** `onFollowers`: a rung got its first follower, or lost its last. */
  constructor(onFault: (error: unknown) => void = () => {}, onFollowers: () => void = () => {}) {
    this.#onFault = onFault;
    this.#onFollowers = onFollowers;
  }

  /** Whether somebody follows the rung now. */
  isFollowed(rung: number): boolean {
    return (this.#rungs.get(rung)?.followers.size ?? 0) > 0;
  }

  follow(rung: number, follower: FrameFollower): () => void {
    const { followers, config, group } = this.#rungOf(rung);
    if (config !== undefined) follower.config(config.version, config.config);
    for (const { frame, sequence } of group) follower.frame(frame, sequence);
    if (this.#ended) follower.end();
    else {
      followers.add(follower);
      if (followers.size === 1) this.#onFollowers();
    }
    return () => {
      if (followers.delete(follower) && followers.size === 0) this.#onFollowers();
    };
  }

  config(rung: number, version: number, config: TrackConfig): void {
    const relayed = this.#rungOf(rung);
    if (relayed.config?.version === version && relayed.config.config === config) return;
    relayed.config = { version, config };
    relayed.group = [];
    this.#tell(relayed, (follower) => follower.config(version, config));
  }

  frame(rung: number, sequence: number, frame: Frame): void {
    const relayed = this.#rungOf(rung);
    if (frame.key || frame.kind === "audio") relayed.group = [];
    relayed.group.push({ frame, sequence });
    this.#tell(relayed, (follower) => follower.frame(frame, sequence));
  }

  takeBack(rung: number, count: number): void {
    const relayed = this.#rungOf(rung);
    relayed.group.splice(Math.max(0, relayed.group.length - count));
    this.#tell(relayed, (follower) => follower.takeBack(count));
  }

  end(): void {
    this.#ended = true;
    for (const relayed of this.#rungs.values()) {
      const followers = [...relayed.followers];
      relayed.followers.clear();
      for (const follower of followers) this.#tellEnd(follower);
    }
  }

  #tell({ followers }: RelayedRung, what: (follower: FrameFollower) => void): void {
    for (const follower of [...followers]) {
      try {
        what(follower);
      } catch (error) {
        followers.delete(follower);
        if (followers.size === 0) this.#onFollowers();
        this.#onFault(error);
        this.#tellEnd(follower);
      }
    }
  }

  #tellEnd(follower: FrameFollower): void {
    try {
      follower.end();
    } catch (error) {
      this.#onFault(error);
    }
  }

  #rungOf(rung: number): RelayedRung {
    const known = this.#rungs.get(rung) ?? { followers: new Set(), config: undefined, group: [] };
    this.#rungs.set(rung, known);
    return known;
  }
}
